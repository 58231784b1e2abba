import type { IncomingMessage, ServerResponse } from 'node:http';
import { HEADERS, requestIdOf } from '../../http/headers.js';
import { type Problem, PROBLEM_CONTENT_TYPE } from '../../problems/problem.js';

/** Up to this size, in bytes, an answer leaves as one text with its head; beyond, copying costs more than a second piece. */
const ONE_PIECE_BYTES = 16 * 1024;

const ALWAYS = Object.entries(HEADERS).flat();
const EMPTY_HEADERS = [...ALWAYS, 'content-length', '0'];
const VALUE_HEADERS = [...ALWAYS, 'content-type', 'application/octet-stream', 'content-length'];
const PROBLEM_HEADERS = [...ALWAYS, 'content-type', PROBLEM_CONTENT_TYPE, 'content-length'];

/** A request for a session and its answer. */
export class SessionExchange {
  /** The decoded key; empty until the request was admitted. */
  key = '';
  /** Why the request failed, for its log line; no session key in it. */
  failure: string | undefined;
  /** Whether the connection broke before the body was whole: what is answered then, nobody gets. */
  hasClientLeft = false;
  /** Of `performance.now()`, in ms. */
  readonly startedAt = performance.now();

  constructor(
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
  ) {}

  /** The request target (RFC 9112 section 3.2), as it came. */
  get target(): string {
    return this.request.url as string;
  }

  get method(): string {
    return this.request.method as string;
  }

  get requestId(): string | undefined {
    return requestIdOf(this.request.headers);
  }

  /** For the rest of the body, or to take the answer. */
  get waitsForClient(): boolean {
    return !this.request.complete || this.response.writableEnded;
  }

  answerValue(value: Buffer): void {
    this.response.writeHead(200, [...VALUE_HEADERS, String(value.length)]);
    this.end(value);
  }

  /** 201 or 204. */
  answerEmpty(status: number): void {
    this.response.writeHead(status, status === 204 ? ALWAYS : EMPTY_HEADERS).end();
  }

  /** @param instance what the problem document names as its place (RFC 9457 section 3.1.5) */
  answerProblem(problem: Problem, instance: string): void {
    const document = Buffer.from(problem.document(instance));
    const ownHeaders = Object.entries(problem.headers).flat();
    this.response.writeHead(problem.status, [...PROBLEM_HEADERS, String(document.length), ...ownHeaders]);
    this.end(document);
  }

  /**
   * Of a small body Node makes one write to the socket: it joins a text, and no buffer, to the head (Latin-1 has a
   * character for each byte), and adds a piece for the end unless what came before has left. The two pieces of the
   * ordinary way cost a fifth of the CPU time of a read.
   */
  private end(body: Buffer): void {
    const { socket } = this.response;
    if (!socket || body.length > ONE_PIECE_BYTES) return void this.response.end(body);
    socket.cork();
    this.response.write(body.toString('latin1'), 'latin1');
    socket.uncork();
    this.response.end();
  }
}
