import type { IncomingMessage, Server } from 'node:http';
import type { Http2ServerRequest, ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Http1Connection, Http2Connection, type HttpConnection } from './http-connection.js';

/**
 * How long a client may go on after it was changed whom to trust, in ms. Its next answer tells it to connect again; one that
 * is not heard of is closed after the first time, and one that cannot finish a request after the second.
 */
const FAREWELL_MS = 5_000;
const FAREWELL_AT_MOST_MS = 10_000;

/**
 * The open connections of a server. A request is in flight once its head was read, and until its answer is written;
 * Node's own `closeIdleConnections` spares connections that sent nothing yet, or half a head.
 */
export class HttpConnections {
  private readonly open = new Map<Socket | ServerHttp2Session, HttpConnection>();
  /** Those that TLS runs on, by their peers. */
  private readonly underTls = new Map<string, Socket>();
  private isLeaving = false;

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => this.keep(socket));
    if ('setSecureContext' in server) this.followTls(server);
  }

  get requestsInFlight(): number {
    let sum = 0;
    for (const connection of this.open.values()) sum += connection.requestsInFlight;
    return sum;
  }

  of(request: IncomingMessage): HttpConnection {
    return this.open.get(carrierOf(request)) ?? this.keep(request.socket);
  }

  /** Who keeps connections learns from his next answer to open the one after elsewhere. */
  leave(): void {
    this.isLeaving = true;
    for (const connection of this.open.values()) connection.endAfterAnswer();
  }

  closeWithoutRequest(): void {
    this.closeIdleSince(Infinity);
  }

  /** Closes those that had no request in flight since a time of `performance.now()`. */
  closeIdleSince(time: number): void {
    for (const connection of this.open.values())
      if (connection.requestsInFlight === 0 && connection.idleSince <= time) connection.close();
  }

  /** Ends those of clients whose certificate has expired since it was verified. */
  endExpired(): void {
    for (const connection of this.open.values()) {
      const late = Date.now() - connection.certificateExpiresAt;
      if (late < 0) continue;
      connection.endAfterAnswer();
      if (connection.requestsInFlight === 0) connection.close();
      else if (late > FAREWELL_AT_MOST_MS) connection.destroy();
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
        ({ openedAt, isForCertificate }) => openedAt <= changedAt && isForCertificate,
      );
    for (const connection of verified()) connection.endAfterAnswer();
    const closeIdle = (): void => {
      for (const connection of verified()) if (connection.requestsInFlight === 0) connection.close();
    };
    const closeAll = (): void => verified().forEach((connection) => connection.destroy());
    setTimeout(closeIdle, FAREWELL_MS).unref();
    setTimeout(closeAll, FAREWELL_AT_MOST_MS).unref();
  }

  private keep(socket: Socket, openedAt?: number): HttpConnection {
    const connection = new Http1Connection(socket, openedAt, this.isLeaving);
    this.open.set(socket, connection);
    socket.on('close', () => this.open.delete(socket));
    return connection;
  }

  /** What was taken for HTTP/1.1 until the handshake told. */
  private keepSession(session: ServerHttp2Session, socket: Socket): void {
    const { openedAt, certificateExpiresAt } = this.open.get(socket) ?? this.keep(socket);
    this.open.delete(socket);
    const connection = new Http2Connection(session, openedAt, this.isLeaving);
    connection.certificateExpiresAt = certificateExpiresAt;
    this.open.set(session, connection);
    session.on('close', () => this.open.delete(session));
  }

  /** Requests over TLS know its socket, not the one that it took over; both are the same connection. */
  private followTls(server: Server): void {
    server.on('connection', (socket: Socket) => {
      const peer = peerOf(socket);
      this.underTls.set(peer, socket);
      socket.on('close', () => this.underTls.get(peer) === socket && this.underTls.delete(peer));
    });
    server.on('session', (session: ServerHttp2Session, socket: Socket) => this.keepSession(session, socket));
    server.prependListener('secureConnection', (socket: TLSSocket) => {
      const below = this.underTls.get(peerOf(socket));
      const connection = this.keep(socket, below && this.open.get(below)?.openedAt);
      if (below) this.open.delete(below);
      const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
      // Node also calls those authorized who resume a session of TLS 1.3 in which they had shown none.
      socket.authorized = certificate !== undefined;
      if (certificate) connection.certificateExpiresAt = Date.parse(certificate.validTo);
      if (connection.certificateExpiresAt <= Date.now()) socket.destroy();
    });
  }
}

/** What requests come on: of HTTP/2 each has a stand-in for the socket, and a stream of the session. */
function carrierOf(request: IncomingMessage): Socket | ServerHttp2Session {
  if (request.httpVersionMajor !== 2) return request.socket;
  return (request as unknown as Http2ServerRequest).stream.session as ServerHttp2Session;
}

function peerOf({ localAddress, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${remoteAddress} ${remotePort}`;
}
