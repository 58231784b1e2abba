import { readFileSync } from 'node:fs';
import { isLoopback } from '../config/host-name.js';
import { ConnectionPlaces, type Occupant } from './connection-places.js';

/** File descriptors that are kept for all but clients: connections to Cassandra, files, logs. */
export const OTHER_DESCRIPTORS = 256;

/** What limits have to know of a connection. */
export interface LimitedConnection extends Occupant {
  /** Address of the peer; undefined on a unix socket. */
  readonly peer: string | undefined;
  /** To make room for another. */
  makeRoom(): void;
}

/** How many connections a port has at once, in all and from each address. */
export class ConnectionLimits {
  private readonly all: ConnectionPlaces<LimitedConnection>;
  private readonly ofPeers = new Map<string, ConnectionPlaces<LimitedConnection>>();

  /** @param mostPerPeer 0 is no limit; nor has loopback one, as all that comes through a proxy on our pod comes from there */
  constructor(
    readonly most: number,
    private readonly mostPerPeer = 0,
  ) {
    this.all = new ConnectionPlaces(most);
  }

  /** Takes a connection in, if need be in the place of another; false if there is no room for it. */
  admit(newcomer: LimitedConnection): boolean {
    const ofPeer = this.ofPeer(newcomer);
    if (ofPeer?.isFull && !this.makeRoom(ofPeer)) return false;
    if (this.all.isFull && !this.makeRoom(this.all)) return false;
    this.all.add(newcomer);
    // Who made room may have been the last one of this peer.
    this.placesFor(newcomer.peer)?.add(newcomer);
    return true;
  }

  touch(connection: LimitedConnection): void {
    this.all.touch(connection);
    if (this.mostPerPeer > 0) this.ofPeer(connection)?.touch(connection);
  }

  leave(connection: LimitedConnection): void {
    this.all.delete(connection);
    const ofPeer = this.ofPeer(connection);
    ofPeer?.delete(connection);
    if (ofPeer?.count === 0) this.ofPeers.delete(connection.peer as string);
  }

  private ofPeer({ peer }: LimitedConnection): ConnectionPlaces<LimitedConnection> | undefined {
    return peer === undefined ? undefined : this.ofPeers.get(peer);
  }

  private makeRoom(places: ConnectionPlaces<LimitedConnection>): boolean {
    const connection = places.longestWithout();
    if (!connection) return false;
    this.leave(connection);
    connection.makeRoom();
    return true;
  }

  private placesFor(peer: string | undefined): ConnectionPlaces<LimitedConnection> | undefined {
    if (this.mostPerPeer === 0 || peer === undefined || isLoopback(peer)) return undefined;
    let places = this.ofPeers.get(peer);
    if (!places) this.ofPeers.set(peer, (places = new ConnectionPlaces(this.mostPerPeer)));
    return places;
  }
}

/** How many connections the process can have at most (`ulimit -n`), where the system tells. */
export function descriptorsForConnections(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft ? Math.max(1, Number(soft) - OTHER_DESCRIPTORS) : Infinity;
  } catch {
    return Infinity;
  }
}
