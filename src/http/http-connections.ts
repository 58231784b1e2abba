import type { IncomingMessage, Server } from 'node:http';
import type { Http2ServerRequest, ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { ConnectionCounts } from './connection-counts.js';
import type { ConnectionLimits } from './connection-limits.js';
import { Http1Connection, Http2Connection, type HttpConnection } from './http-connection.js';

/**
 * How long a client may go on after it was changed whom to trust, in ms. Its next answer tells it to connect again; one that
 * is not heard of is closed after the first time, and one that cannot finish a request after the second.
 */
const FAREWELL_MS = 5_000;
const FAREWELL_AT_MOST_MS = 10_000;

/**
 * The open connections of our servers. A request is in flight once its head was read, and until its answer is written;
 * Node's own `closeIdleConnections` spares connections that sent nothing yet, or half a head.
 */
export class HttpConnections {
  readonly counts = new ConnectionCounts();
  private readonly open = new Map<Socket | ServerHttp2Session, HttpConnection>();
  /** Those that TLS runs on, by their peers. */
  private readonly underTls = new Map<string, Socket>();
  private isLeaving = false;

  /** From now on also those of this server, which has limits of its own. */
  follow(server: Server, limits?: ConnectionLimits): void {
    const isTls = 'setSecureContext' in server;
    server.on('connection', (socket: Socket) => this.take(socket, isTls, limits));
    if (isTls) this.followTls(server);
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

  of(request: IncomingMessage): HttpConnection {
    return this.open.get(carrierOf(request)) ?? this.on(request.socket);
  }

  /** For what is no request yet. */
  on(socket: Socket): HttpConnection {
    return this.open.get(socket) ?? this.keep(socket, this.connectionOn(socket, 'encrypted' in socket));
  }

  /** Whether it is one that was taken, and its handshake done if there is one. */
  knows(socket: Socket): boolean {
    return this.open.has(socket);
  }

  /** Who keeps connections learns from his next answer to open the one after elsewhere. */
  leave(): void {
    this.isLeaving = true;
    for (const connection of this.open.values()) connection.endAfterAnswer();
  }

  /** Takes `leave` back for connections that are opened from now on. */
  stay(): void {
    this.isLeaving = false;
  }

  closeWithoutRequest(): void {
    this.closeIdleSince(Infinity);
  }

  /** Closes those that had no request in flight since a time of `performance.now()`. */
  closeIdleSince(time: number): void {
    for (const connection of this.open.values()) connection.closeIfIdleSince(time);
  }

  /** Ends those of clients whose certificate has expired since it was verified. */
  endExpired(): void {
    for (const connection of this.open.values()) {
      const late = Date.now() - connection.terms.certificateExpiresAt;
      if (late < 0) continue;
      connection.endAfterAnswer();
      if (connection.requestsInFlight === 0) connection.closeWithoutRequest();
      else if (late > FAREWELL_AT_MOST_MS) connection.destroy();
    }
  }

  closeSlowAndGone(): void {
    const now = performance.now();
    for (const connection of this.open.values()) {
      connection.cutIfSlowToTake(now);
      connection.closeIfGone();
    }
  }

  /**
   * Ends the connections of clients that were verified by what held until now: they connect again, and are verified anew.
   * Which of them would still be let in is not asked (docs/adr/0008-trust-is-verified-by-a-new-handshake.md).
   */
  endVerified(): void {
    const changedAt = performance.now();
    const verified = (): HttpConnection[] =>
      [...this.open.values()].filter(
        ({ terms, isForCertificate }) => terms.openedAt <= changedAt && isForCertificate,
      );
    for (const connection of verified()) connection.endAfterAnswer();
    const closeIdle = (): void => {
      for (const connection of verified())
        if (connection.requestsInFlight === 0) connection.closeWithoutRequest();
    };
    const closeAll = (): void => verified().forEach((connection) => connection.destroy());
    setTimeout(closeIdle, FAREWELL_MS).unref();
    setTimeout(closeAll, FAREWELL_AT_MOST_MS).unref();
  }

  private take(socket: Socket, isTls: boolean, limits: ConnectionLimits | undefined): void {
    const connection = this.connectionOn(socket, isTls, limits);
    if (limits && !limits.admit(connection)) return connection.close('refused');
    this.keep(socket, connection);
    socket.on('close', () => limits?.leave(connection));
  }

  private connectionOn(socket: Socket, isTls: boolean, limits?: ConnectionLimits): Http1Connection {
    const terms = {
      isTls,
      counts: this.counts,
      limits,
      peer: socket.remoteAddress,
      openedAt: performance.now(),
      certificateExpiresAt: Infinity,
    };
    return new Http1Connection(socket, terms, this.isLeaving);
  }

  private keep<Each extends HttpConnection>(socket: Socket, connection: Each): Each {
    if (socket.closed) return connection;
    this.open.set(socket, connection);
    socket.on('close', () => this.open.delete(socket));
    return connection;
  }

  /** What was taken for HTTP/1.1 until the handshake told. */
  private keepSession(session: ServerHttp2Session, socket: TLSSocket): void {
    const before = this.on(socket);
    const { limits } = before.terms;
    const connection = new Http2Connection(session, socket, before.terms, this.isLeaving);
    this.open.delete(socket);
    this.open.set(session, connection);
    limits?.leave(before);
    limits?.admit(connection);
    socket.on('close', () => {
      this.open.delete(session);
      limits?.leave(connection);
    });
  }

  /** Requests over TLS know its socket, not the one that it took over; both are the same connection. */
  private followTls(server: Server): void {
    server.on('connection', (socket: Socket) => {
      const peer = peerOf(socket);
      this.underTls.set(peer, socket);
      socket.on('close', () => this.underTls.get(peer) === socket && this.underTls.delete(peer));
    });
    server.on('session', (session: ServerHttp2Session, socket: TLSSocket) =>
      this.keepSession(session, socket),
    );
    server.prependListener('secureConnection', (socket: TLSSocket) => {
      const below = this.underTls.get(peerOf(socket));
      const connection = below && this.open.get(below);
      if (!below || !(connection instanceof Http1Connection)) return;
      this.open.delete(below);
      connection.socket = socket;
      this.keep(socket, connection);
      const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
      // Node also calls those authorized who resume a session of TLS 1.3 in which they had shown none.
      socket.authorized = certificate !== undefined;
      if (certificate) connection.terms.certificateExpiresAt = Date.parse(certificate.validTo);
      if (connection.terms.certificateExpiresAt <= Date.now()) socket.destroy();
    });
  }
}

/** What requests come on: of HTTP/2 each has a stand-in for the socket, and a stream of the session. */
function carrierOf(request: IncomingMessage): Socket | ServerHttp2Session {
  // HTTP/1.1's parser takes a line that says HTTP/2.0: protocol.ts refuses it.
  if (!('stream' in request)) return request.socket;
  return (request as unknown as Http2ServerRequest).stream.session as ServerHttp2Session;
}

function peerOf({ localAddress, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${remoteAddress} ${remotePort}`;
}
