import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { finished } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { cutBody } from '../modules/sessions/session-value.js';
import { Problem } from '../problems/problem.js';
import type { ClosedFor, ConnectionCounts } from './connection-counts.js';
import type { ConnectionLimits, LimitedConnection } from './connection-limits.js';
import { REQUEST_MS } from './server.js';

const TOO_LATE = new Problem('request_timeout');

/** Who sends more than this without waiting for answers is cut off: each takes memory, also while the storage hangs. */
const MAX_IN_FLIGHT = 1_000;

/** A client has this long to take an answer whole, in ms, from when it was first seen (serve.ts) not to have done so. */
const TAKE_ANSWER_MS = 30_000;

/** Looks (serve.ts) for which a client of HTTP/2 may leave a PING unanswered. */
const LOOKS_FOR_PONG = 2;

/**
 * How long a client that sends too much may go on after its answer, in ms. Closing at once would reset the connection
 * while it still writes, and it might never see the answer; reading on without end would be its to decide.
 */
const LINGER_MS = 5_000;

/** Up to this size, in bytes, an answer leaves as one text with its head; beyond, copying costs more than a second piece. */
const ONE_PIECE_BYTES = 16 * 1024;

/** What a connection has whatever is spoken on it. */
export interface Terms {
  counts: ConnectionCounts;
  limits: ConnectionLimits | undefined;
  isTls: boolean;
  /** Address of the client; undefined on a Unix socket. */
  peer: string | undefined;
  /** Of `performance.now()`, in ms; with TLS, before the handshake. */
  openedAt: number;
  /** Of `Date.now()`, in ms; OpenSSL looks at it when a TLS session begins, and neither later nor when that is resumed. */
  certificateExpiresAt: number;
}

/** A client's connection, for as long as it is open: all that differs between HTTP/1.1 and HTTP/2 is below. */
export abstract class HttpConnection implements LimitedConnection {
  requestsInFlight = 0;
  /** Of `performance.now()`, in ms. */
  idleSince = performance.now();
  readonly peer: string | undefined;
  private isToldIdle = false;

  /** @param isEnding whether its next answer is the last */
  protected constructor(
    readonly terms: Terms,
    protected isEnding: boolean,
  ) {
    this.peer = terms.peer;
  }

  /** Starts a request, now or in its turn. */
  begin(response: ServerResponse, start: () => void): void {
    this.requestsInFlight++;
    this.terms.limits?.touch(this);
    // Node 24 closes by itself some that we close (takeTurn).
    response.once('close', () => this.answered(response));
    if (this.requestsInFlight > MAX_IN_FLIGHT) this.close('pipelined');
    this.take(response, start);
  }

  makeRoom(): void {
    this.close('full');
  }

  close(reason: ClosedFor): void {
    if (this.isClosed) return;
    this.terms.counts.count(reason);
    this.destroy();
  }

  closeIfIdleSince(time: number): void {
    if (this.requestsInFlight > 0 || this.idleSince > time) return;
    if (!this.isToldIdle) this.terms.counts.count('idle');
    this.isToldIdle = true;
    this.closeWithoutRequest();
  }

  /** Between the last byte of a request and the first of its answer; at any other time we wait for the client. */
  abstract get isOwed(): boolean;

  /** Whether the client has shown a certificate, or may still do so in a handshake that has begun. */
  abstract get isForCertificate(): boolean;

  /** The client is to open another connection for what it asks after its next answer. */
  abstract endAfterAnswer(): void;

  /** The body of an answer whose head was written. */
  abstract send(response: ServerResponse, body: Buffer): void;

  /** Before an answer to a request whose body is not read to its end. */
  abstract refuseRest(request: IncomingMessage, response: ServerResponse): void;

  /** Answers what could not be read, and closes; false if it is ending so already. */
  abstract endWith(answer: string): boolean;

  /** Ends what a client is too slow with. */
  abstract cut(response: ServerResponse, reason: ClosedFor): void;

  /** To be called now and then: a timer for each answer would cost each of them. */
  abstract cutIfSlowToTake(now: number): void;

  /** To be called as often: whether there is still somebody at the other end. */
  abstract closeIfGone(): void;

  abstract closeWithoutRequest(): void;

  abstract destroy(): void;

  protected abstract get isClosed(): boolean;

  protected abstract take(response: ServerResponse, start: () => void): void;

  protected answered(_response: ServerResponse): void {
    this.requestsInFlight--;
    this.idleSince = performance.now();
  }
}

export class Http1Connection extends HttpConnection {
  /** That whose turn it is, or was. */
  private current: ServerResponse | undefined;
  private latest: ServerResponse | undefined;
  /** The answer that was seen written and not taken, and when first, of `performance.now()`, in ms. */
  private untaken: { response: ServerResponse; since: number } | undefined;
  /** To what could not be read. */
  private lastAnswer: string | undefined;

  /** @param socket with TLS, that of TLS once its handshake is done */
  constructor(
    public socket: Socket,
    terms: Terms,
    isEnding: boolean,
  ) {
    super(terms, isEnding);
  }

  get isOwed(): boolean {
    return this.current !== undefined && isOwed(this.current);
  }

  get isForCertificate(): boolean {
    if (!this.terms.isTls) return false;
    return !(this.socket instanceof TLSSocket) || this.socket.getPeerX509Certificate() !== undefined;
  }

  endAfterAnswer(): void {
    this.isEnding = true;
    if (this.latest && !this.latest.headersSent) this.latest.shouldKeepAlive = false;
  }

  /**
   * Of a small body Node makes one write to the socket: it joins a text, and no buffer, to the head (Latin-1 has a
   * character for each byte), and adds a piece for the end unless what came before has left. The two pieces of the
   * ordinary way cost a fifth of the CPU time of a read.
   */
  send(response: ServerResponse, body: Buffer): void {
    const { socket } = response;
    if (!socket || body.length > ONE_PIECE_BYTES) return void response.end(body);
    socket.cork();
    response.write(body.toString('latin1'), 'latin1');
    socket.uncork();
    response.end();
  }

  /**
   * RFC 9112 section 9.6: after an answer with `Connection: close` only the sending side is closed, and the rest of the
   * body is read and dropped, for a while.
   */
  refuseRest(body: IncomingMessage, response: ServerResponse): void {
    response.shouldKeepAlive = false;
    const { socket } = this;
    const closeBoth = socket.destroySoon.bind(socket);
    // What Node calls when such an answer is written.
    socket.destroySoon = () => {
      socket.end();
      finished(body, closeBoth);
    };
    const cut = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once('close', () => clearTimeout(cut));
    body.resume();
  }

  /**
   * Behind the answers to all that could be read (RFC 9112 section 9.3.2), as who counts answers would otherwise take it
   * for one of those. Node reports what cannot be read once for each packet.
   */
  endWith(answer: string): boolean {
    if (this.lastAnswer !== undefined) return false;
    this.lastAnswer = answer;
    if (this.requestsInFlight === 0) this.end();
    return true;
  }

  /** What comes behind it on the connection would wait for it. */
  cut(_response: ServerResponse, reason: ClosedFor): void {
    this.close(reason);
  }

  cutIfSlowToTake(now: number): void {
    const { current } = this;
    if (!current || !isUntaken(current)) this.untaken = undefined;
    else if (this.untaken?.response !== current) this.untaken = { response: current, since: now };
    else if (now - this.untaken.since >= TAKE_ANSWER_MS) this.close('slow_reader');
  }

  /** Node sees it by itself. */
  closeIfGone(): void {}

  closeWithoutRequest(): void {
    this.socket.destroySoon();
  }

  destroy(): void {
    this.socket.destroy();
  }

  protected get isClosed(): boolean {
    return this.socket.destroyed;
  }

  /**
   * Node starts the requests that a client sends without waiting for answers all at once; a read after a write has to
   * see it (RFC 9112 section 9.3.2). So each is started when the answer before it was sent.
   */
  protected take(response: ServerResponse, start: () => void): void {
    const before = this.latest;
    this.latest = response;
    if (this.isEnding) response.shouldKeepAlive = false;
    if (!before || before.closed) this.takeTurn(response, start);
    else before.once('close', () => this.takeTurn(response, start));
  }

  protected override answered(response: ServerResponse): void {
    super.answered(response);
    if (this.lastAnswer !== undefined && this.requestsInFlight === 0) this.end();
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
    else {
      this.current = response;
      start();
    }
  }

  /** Who was answered before the rest of his request could not be read gets no second answer to it. */
  private end(): void {
    if (!this.socket.writable) return;
    this.socket.end(this.latest?.req.complete === false ? '' : (this.lastAnswer as string));
  }
}

/** Its requests are independent of each other (RFC 9113 section 5), and each comes on a stream of its own. */
export class Http2Connection extends HttpConnection {
  /** Of requests in flight, with when each was first seen written and not taken, of `performance.now()`, in ms. */
  private readonly responses = new Map<ServerResponse, number | undefined>();
  private wasTold = false;
  private looksSincePing = 0;

  /** @param socket which outlives a session that has ended for as long as the client keeps it open */
  constructor(
    private readonly session: ServerHttp2Session,
    private readonly socket: TLSSocket,
    terms: Terms,
    isEnding: boolean,
  ) {
    super(terms, isEnding);
  }

  get isOwed(): boolean {
    return [...this.responses.keys()].some(isOwed);
  }

  get isForCertificate(): boolean {
    return this.socket.getPeerX509Certificate() !== undefined;
  }

  endAfterAnswer(): void {
    this.isEnding = true;
    if (this.requestsInFlight > 0) this.tellToLeave();
  }

  send(response: ServerResponse, body: Buffer): void {
    // Node writes what it is given, also in answer to HEAD.
    if (response.req.method === 'HEAD') response.end();
    else response.end(body);
  }

  /** RFC 9113 section 8.1: `take` does it for every answer. */
  refuseRest(): void {}

  /** Its sessions read frames by themselves. */
  endWith(): boolean {
    this.destroy();
    return true;
  }

  cut(response: ServerResponse, reason: ClosedFor): void {
    this.terms.counts.count(reason);
    streamOf(response).close(constants.NGHTTP2_CANCEL);
  }

  cutIfSlowToTake(now: number): void {
    for (const [response, since = now] of this.responses) {
      if (!isUntaken(response)) continue;
      this.responses.set(response, since);
      if (now - since >= TAKE_ANSWER_MS) this.close('slow_reader');
    }
  }

  /**
   * Node 20 neither reads nor closes a session in which it has told the client of an error: it does not see that nobody is
   * there any more, and requests would be in flight for ever. So it is asked by PING (RFC 9113 section 6.7). Who has seen his
   * session end, and does not close, has as long.
   */
  closeIfGone(): void {
    // The answer to a PING may wait behind data that the client is slow to take.
    if ([...this.responses.keys()].some(isUntaken)) return;
    if (this.looksSincePing > LOOKS_FOR_PONG) return this.close('gone');
    if (this.looksSincePing++ === 0 && !this.session.destroyed)
      this.session.ping(() => (this.looksSincePing = 0));
  }

  closeWithoutRequest(): void {
    if (this.session.destroyed) this.socket.destroySoon();
    else this.session.close();
  }

  destroy(): void {
    this.session.destroy();
    this.socket.destroy();
  }

  protected get isClosed(): boolean {
    return this.socket.destroyed;
  }

  protected take(response: ServerResponse, start: () => void): void {
    this.responses.set(response, undefined);
    const stream = streamOf(response);
    if (!stream.endAfterHeaders) {
      limitTime(stream, response);
      stream.once('finish', () => setImmediate(refuseRestOf, stream));
    }
    if (this.isEnding) this.tellToLeave();
    start();
  }

  protected override answered(response: ServerResponse): void {
    super.answered(response);
    this.responses.delete(response);
  }

  /**
   * Streams that a client opens before it has read GOAWAY would be lost. So it is first allowed no further ones, and when it
   * has acknowledged that, there is none on its way.
   */
  private tellToLeave(): void {
    if (this.wasTold || this.session.closed) return;
    this.wasTold = true;
    this.session.settings({ maxConcurrentStreams: 0 }, () => this.session.close());
  }
}

function isOwed(response: ServerResponse): boolean {
  return !response.closed && response.req.complete && !response.writableEnded;
}

function isUntaken(response: ServerResponse): boolean {
  return response.writableEnded && !response.closed;
}

function streamOf(response: ServerResponse): Http2ServerResponse['stream'] {
  return (response as unknown as Http2ServerResponse).stream;
}

/** Nobody reads what is left of a body once its request is answered: the client is told to send no more. */
function refuseRestOf(stream: Http2ServerResponse['stream']): void {
  if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
}

/** As Node does it with requests of HTTP/1.1. */
function limitTime(stream: Http2ServerResponse['stream'], { socket }: ServerResponse): void {
  const late = setTimeout(() => {
    if (!socket || !cutBody(socket, TOO_LATE)) stream.close(constants.NGHTTP2_CANCEL);
  }, REQUEST_MS).unref();
  for (const event of ['end', 'close']) stream.once(event, () => clearTimeout(late));
}
