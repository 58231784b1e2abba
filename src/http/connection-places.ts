/** What a full house asks of a connection. */
export interface Occupant {
  /** Whether we owe its client an answer. Otherwise it is the client's turn, and the connection may be closed. */
  readonly isOwed: boolean;
}

/** So many are looked at for one newcomer: what it costs us is bounded, also when answers are owed to all. */
const LOOK_AT = 64;

/**
 * Places for connections, in the order in which each was opened or its latest request began. When all are taken, the first
 * whose client's turn it is makes room: a half-open handshake, half a head or body, an answer not taken, and what is merely
 * idle are all one here, as an attacker could choose any of them.
 */
export class ConnectionPlaces<Each extends Occupant> {
  private readonly taken = new Set<Each>();

  constructor(private readonly most: number) {}

  get count(): number {
    return this.taken.size;
  }

  get isFull(): boolean {
    return this.taken.size >= this.most;
  }

  add(connection: Each): void {
    this.taken.add(connection);
  }

  delete(connection: Each): void {
    this.taken.delete(connection);
  }

  /** A request has begun on it. */
  touch(connection: Each): void {
    if (this.taken.delete(connection)) this.taken.add(connection);
  }

  /** The one to close for another, if there is one. */
  longestWithout(): Each | undefined {
    let looks = 0;
    for (const connection of this.taken) {
      if (!connection.isOwed) return connection;
      if (++looks === LOOK_AT) return undefined;
      this.touch(connection);
    }
    return undefined;
  }
}
