import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { isLoopback } from '../../config/host-name.js';
import type { HttpConnection } from '../../http/http-connection.js';
import { ANYTHING, type Clients, type Rights } from './clients.js';
import { namesForwarded } from './forwarded-client-cert.js';
import { identitiesOf, namesIn, type SubjectNames } from './subject-names.js';

/** Who speaks, as decided once. */
export interface Caller {
  /** Empty if there is no certificate, or none that tells. */
  identity: string;
  rights: Rights | undefined;
  /** Whether a line was logged about a refusal. */
  isLogged: boolean;
}

/** Of one connection of a proxy, what is remembered of callers at most, in bytes; about so many beside its header each takes. */
const MOST_REMEMBERED_BYTES = 64 * 1024;
const CALLER_BYTES = 256;

/** Whoever is at the other end of a connection: a client, or a proxy that speaks for clients. */
class Peer {
  private readonly behind = new Map<string, Caller>();
  private rememberedBytes = 0;

  constructor(
    readonly caller: Caller,
    readonly isProxy: boolean,
  ) {}

  /** Whom a header of a proxy names: what it costs to find out is paid once, as proxies repeat themselves. */
  speaksFor(header: string, decide: (header: string) => Caller): Caller {
    const known = this.behind.get(header);
    if (known) return known;
    const caller = decide(header);
    this.remember(header, caller);
    return caller;
  }

  private remember(header: string, caller: Caller): void {
    const bytes = header.length + CALLER_BYTES;
    if (this.rememberedBytes + bytes > MOST_REMEMBERED_BYTES) {
      this.behind.clear();
      this.rememberedBytes = 0;
    }
    this.rememberedBytes += bytes;
    this.behind.set(header, caller);
  }
}

/** Tells who sends a request. */
export abstract class Callers {
  abstract of(request: IncomingMessage, connection: HttpConnection): Caller;
  /** From now on everybody is judged by these, also on connections that are open. */
  abstract takeUp(clients: Clients): void;
}

/** `authentication: none`: whoever gets here may do everything. */
export class AnyCallers extends Callers {
  private readonly anyone: Caller = { identity: 'anyone', rights: ANYTHING, isLogged: false };

  of(): Caller {
    return this.anyone;
  }

  takeUp(): void {}
}

/** `authentication: required`; asked again and again on one connection, it answers from memory. */
export class IdentifiedCallers extends Callers {
  /** Of HTTP/2 each request has a socket of its own, that is none: the connection is what stays. */
  private peers = new WeakMap<HttpConnection, Peer>();

  /** @param onSocket whether what is listened to is a Unix socket, whose peers have no address */
  constructor(
    private clients: Clients,
    private readonly onSocket: boolean,
  ) {
    super();
  }

  of(request: IncomingMessage, connection: HttpConnection): Caller {
    const peer = this.peers.get(connection) ?? this.meet(connection, request.socket);
    const header = peer.isProxy ? request.headers['x-forwarded-client-cert'] : undefined;
    // Of a header that comes several times Node makes one text.
    if (typeof header !== 'string') return peer.caller;
    return peer.speaksFor(header, (text) => this.callerWith(namesForwarded(text)));
  }

  takeUp(clients: Clients): void {
    this.clients = clients;
    this.peers = new WeakMap();
  }

  private meet(connection: HttpConnection, socket: Socket): Peer {
    const names = namesVerified(socket);
    const caller = this.callerWith(names);
    const peer = new Peer(caller, names ? this.clients.isProxy(caller.identity) : this.isNear(socket));
    this.peers.set(connection, peer);
    return peer;
  }

  /**
   * Who shows a certificate of his own may have come through a hop on our pod that knows nothing of TLS: that he seems to be
   * near makes nobody of him whom we believe. A peer that is gone has no address: its absence alone proves nothing.
   */
  private isNear({ remoteAddress = '' }: Socket): boolean {
    return this.onSocket || isLoopback(remoteAddress);
  }

  private callerWith(names: SubjectNames | undefined): Caller {
    const identities = names ? identitiesOf(names) : [];
    const known = identities.find((each) => this.clients.find(each) ?? this.clients.isProxy(each));
    const identity = known ?? identities[0] ?? '';
    return { identity, rights: this.clients.find(identity), isLogged: false };
  }
}

/** `authorized` is set by Node alone, once the chain of the certificate was verified against `tls.client_ca`. */
function namesVerified(socket: Socket): SubjectNames | undefined {
  if (!('authorized' in socket) || socket.authorized !== true) return undefined;
  const certificate = (socket as TLSSocket).getPeerX509Certificate();
  return certificate && namesIn(certificate);
}
