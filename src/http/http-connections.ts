import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Who sends more than this without waiting for answers is cut off: each takes memory, also while the storage hangs. */
const MAX_IN_FLIGHT = 1_000;

/**
 * How long a client may go on after it was changed whom to trust, in ms. Its next answer tells it to connect again; one that
 * is not heard of is closed after the first time, and one that cannot finish a request after the second.
 */
const FAREWELL_MS = 5_000;
const FAREWELL_AT_MOST_MS = 10_000;

/** A client's connection, for as long as it is open. */
class HttpConnection {
  requestsInFlight = 0;
  /** Of `performance.now()`, in ms. */
  idleSince = performance.now();
  /** The next answer is the last. */
  private isEnding = false;
  private latest: ServerResponse | undefined;
  private readonly answered = (): void => {
    this.requestsInFlight--;
    this.idleSince = performance.now();
  };

  /** @param openedAt of `performance.now()`, in ms; with TLS, before the handshake */
  constructor(
    readonly socket: Socket,
    readonly openedAt = performance.now(),
  ) {}

  /** Whether the client has shown a certificate, or may still do so in a handshake that has begun. */
  get isForCertificate(): boolean {
    return !(this.socket instanceof TLSSocket) || this.socket.getPeerX509Certificate() !== undefined;
  }

  endAfterAnswer(): void {
    this.isEnding = true;
    if (this.latest && !this.latest.headersSent) this.latest.shouldKeepAlive = false;
  }

  /**
   * Node starts the requests that a client sends without waiting for answers all at once; a read after a write has to
   * see it (RFC 9112 section 9.3.2). So each is started when the answer before it was sent.
   */
  begin(response: ServerResponse, start: () => void): void {
    const before = this.latest;
    this.latest = response;
    if (this.isEnding) response.shouldKeepAlive = false;
    this.requestsInFlight++;
    response.on('close', this.answered);
    if (this.requestsInFlight > MAX_IN_FLIGHT) this.socket.destroy();
    if (!before || before.closed) start();
    else before.once('close', () => this.takeTurn(response, start));
  }

  /**
   * After the last answer of a connection nothing more is done for its client (RFC 9112 section 9.6). Node closes only the
   * response that has the socket; those that wait behind it would count as in flight for ever.
   */
  private takeTurn(response: ServerResponse, start: () => void): void {
    if (response.closed) return;
    if (this.socket.writable) start();
    else if (!response.socket) process.nextTick(() => response.emit('close'));
  }
}

/**
 * The open connections of our servers. A request is in flight once its head was read, and until its answer is written;
 * Node's own `closeIdleConnections` spares connections that sent nothing yet, or half a head.
 */
export class HttpConnections {
  private readonly open = new Map<Socket, HttpConnection>();
  /** Those that TLS runs on, by their peers. */
  private readonly underTls = new Map<string, Socket>();

  /** From now on also those of this server. */
  follow(server: Server): void {
    server.on('connection', (socket: Socket) => this.keep(socket));
    if ('setSecureContext' in server) this.followTls(server);
  }

  get requestsInFlight(): number {
    let sum = 0;
    for (const connection of this.open.values()) sum += connection.requestsInFlight;
    return sum;
  }

  of({ socket }: IncomingMessage): HttpConnection {
    return this.open.get(socket) ?? this.keep(socket);
  }

  closeWithoutRequest(): void {
    this.closeIdleSince(Infinity);
  }

  /** Closes those that had no request in flight since a time of `performance.now()`. */
  closeIdleSince(time: number): void {
    for (const { socket, requestsInFlight, idleSince } of this.open.values())
      if (requestsInFlight === 0 && idleSince <= time) socket.destroySoon();
  }

  /**
   * Ends the connections of clients that were verified by what held until now: they connect again, and are verified anew.
   * Which of them would still be let in is not asked (docs/adr/0008-trust-is-verified-by-a-new-handshake.md).
   */
  endVerified(): void {
    const changedAt = performance.now();
    const verified = (): HttpConnection[] =>
      [...this.open.values()].filter(
        ({ openedAt, isForCertificate }) => openedAt <= changedAt && isForCertificate,
      );
    for (const connection of verified()) connection.endAfterAnswer();
    const closeIdle = (): void => {
      for (const { socket, requestsInFlight } of verified()) if (requestsInFlight === 0) socket.destroySoon();
    };
    const closeAll = (): void => verified().forEach(({ socket }) => socket.destroy());
    setTimeout(closeIdle, FAREWELL_MS).unref();
    setTimeout(closeAll, FAREWELL_AT_MOST_MS).unref();
  }

  private keep(socket: Socket, openedAt?: number): HttpConnection {
    const connection = new HttpConnection(socket, openedAt);
    this.open.set(socket, connection);
    socket.on('close', () => this.open.delete(socket));
    return connection;
  }

  /** Requests over TLS know its socket, not the one that it took over; both are the same connection. */
  private followTls(server: Server): void {
    server.on('connection', (socket: Socket) => {
      const peer = peerOf(socket);
      this.underTls.set(peer, socket);
      socket.on('close', () => this.underTls.get(peer) === socket && this.underTls.delete(peer));
    });
    server.on('secureConnection', (socket: Socket) => {
      const below = this.underTls.get(peerOf(socket));
      this.keep(socket, below && this.open.get(below)?.openedAt);
      if (below) this.open.delete(below);
    });
  }
}

function peerOf({ localAddress, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${remoteAddress} ${remotePort}`;
}
