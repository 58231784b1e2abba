import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type ClosedFor, ConnectionCounts } from './connection-counts.js';
import type { ConnectionLimits, LimitedConnection } from './connection-limits.js';

/** Who sends more than this without waiting for answers is cut off: each takes memory, also while the storage hangs. */
const MAX_IN_FLIGHT = 1_000;

/** A client has this long to take an answer whole, in ms, from when it was first seen (serve.ts) not to have done so. */
const TAKE_ANSWER_MS = 30_000;

/**
 * How long a client may go on after it was changed whom to trust, in ms. Its next answer tells it to connect again; one that
 * is not heard of is closed after the first time, and one that cannot finish a request after the second.
 */
const FAREWELL_MS = 5_000;
const FAREWELL_AT_MOST_MS = 10_000;

/** A client's connection, for as long as it is open. */
class HttpConnection implements LimitedConnection {
  requestsInFlight = 0;
  /** Of `performance.now()`, in ms. */
  idleSince = performance.now();
  /** Of `performance.now()`, in ms; with TLS, before the handshake. */
  readonly openedAt = performance.now();
  readonly peer: string | undefined;
  /** The next answer is the last. */
  private isEnding = false;
  /** That whose turn it is, or was. */
  private current: ServerResponse | undefined;
  private latest: ServerResponse | undefined;
  /** The answer that was seen written and not taken, and when first, of `performance.now()`, in ms. */
  private untaken: { response: ServerResponse; since: number } | undefined;
  /** To what could not be read. */
  private lastAnswer: string | undefined;
  private readonly answered = (): void => {
    this.requestsInFlight--;
    this.idleSince = performance.now();
    if (this.lastAnswer !== undefined && this.requestsInFlight === 0) this.end();
  };

  constructor(
    public socket: Socket,
    private readonly counts: ConnectionCounts,
    private readonly limits?: ConnectionLimits,
  ) {
    this.peer = socket.remoteAddress;
  }

  /** Between the last byte of a request and the first of its answer; at any other time we wait for the client. */
  get isOwed(): boolean {
    const { current } = this;
    return current !== undefined && !current.closed && current.req.complete && !current.writableEnded;
  }

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
    this.limits?.touch(this);
    response.on('close', this.answered);
    if (this.requestsInFlight > MAX_IN_FLIGHT) this.close('pipelined');
    if (!before || before.closed) this.takeTurn(response, start);
    else before.once('close', () => this.takeTurn(response, start));
  }

  /**
   * Answers what could not be read, and closes: behind the answers to all that could (RFC 9112 section 9.3.2), as who
   * counts answers would otherwise take it for one of those.
   */
  endWith(answer: string): void {
    if (this.lastAnswer !== undefined) return;
    this.lastAnswer = answer;
    if (this.requestsInFlight === 0) this.end();
  }

  makeRoom(): void {
    this.close('full');
  }

  close(reason: ClosedFor): void {
    if (this.socket.destroyed) return;
    this.counts.count(reason);
    this.socket.destroy();
  }

  closeIfIdleSince(time: number): void {
    if (this.requestsInFlight > 0 || this.idleSince > time) return;
    this.counts.count('idle');
    this.socket.destroySoon();
  }

  /** To be called now and then: a timer for each answer would cost each of them. */
  closeIfSlowToTake(now: number): void {
    const { current } = this;
    if (!current?.writableEnded || current.closed) this.untaken = undefined;
    else if (this.untaken?.response !== current) this.untaken = { response: current, since: now };
    else if (now - this.untaken.since >= TAKE_ANSWER_MS) this.close('slow_reader');
  }

  /**
   * After the last answer of a connection nothing more is done for its client (RFC 9112 section 9.6). Node closes only the
   * response that has the socket; those that wait behind it would count as in flight for ever.
   */
  private takeTurn(response: ServerResponse, start: () => void): void {
    if (response.closed) return;
    if (!this.socket.writable) {
      if (!response.socket) process.nextTick(() => response.emit('close'));
    } else if (this.lastAnswer !== undefined && !response.req.complete) this.socket.end(this.lastAnswer);
    else this.start(response, start);
  }

  private start(response: ServerResponse, start: () => void): void {
    this.current = response;
    start();
  }

  /** Who was answered before the rest of his request could not be read gets no second answer to it. */
  private end(): void {
    if (!this.socket.writable) return;
    this.socket.end(this.latest?.req.complete === false ? '' : (this.lastAnswer as string));
  }
}

/**
 * The open connections of our servers. A request is in flight once its head was read, and until its answer is written;
 * Node's own `closeIdleConnections` spares connections that sent nothing yet, or half a head.
 */
export class HttpConnections {
  readonly counts = new ConnectionCounts();
  private readonly open = new Map<Socket, HttpConnection>();
  /** Those that TLS runs on, by their peers. */
  private readonly underTls = new Map<string, Socket>();

  /** From now on also those of this server, which has limits of its own. */
  follow(server: Server, limits?: ConnectionLimits): void {
    server.on('connection', (socket: Socket) => this.take(socket, limits));
    if ('setSecureContext' in server) this.followTls(server);
  }

  /** Handshakes included. */
  get count(): number {
    return this.open.size;
  }

  get requestsInFlight(): number {
    let sum = 0;
    for (const connection of this.open.values()) sum += connection.requestsInFlight;
    return sum;
  }

  of({ socket }: { socket: Socket }): HttpConnection {
    return this.open.get(socket) ?? this.keep(socket, new HttpConnection(socket, this.counts));
  }

  closeWithoutRequest(): void {
    this.closeIdleSince(Infinity);
  }

  /** Closes those that had no request in flight since a time of `performance.now()`. */
  closeIdleSince(time: number): void {
    for (const connection of this.open.values()) connection.closeIfIdleSince(time);
  }

  closeSlowReaders(): void {
    const now = performance.now();
    for (const connection of this.open.values()) connection.closeIfSlowToTake(now);
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

  private take(socket: Socket, limits: ConnectionLimits | undefined): void {
    const connection = new HttpConnection(socket, this.counts, limits);
    if (limits && !limits.admit(connection)) return connection.close('refused');
    this.keep(socket, connection);
    socket.on('close', () => limits?.leave(connection));
  }

  private keep(socket: Socket, connection: HttpConnection): HttpConnection {
    if (socket.closed) return connection;
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
      const connection = below && this.open.get(below);
      if (!connection) return;
      this.open.delete(below);
      connection.socket = socket;
      this.keep(socket, connection);
    });
  }
}

function peerOf({ localAddress, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${remoteAddress} ${remotePort}`;
}
