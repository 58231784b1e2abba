import type { IncomingMessage, ServerResponse } from 'node:http';
import { HEADERS, requestIdOf } from '../../http/headers.js';
import type { HttpConnection } from '../../http/http-connection.js';
import { type Problem, PROBLEM_CONTENT_TYPE, type ProblemName } from '../../problems/problem.js';
import type { RequestTrace } from '../../tracing/request-trace.js';
import type { Session } from '../storage/session-store.js';
import { TTL_HEADER } from './ttl-header.js';

const ALWAYS = Object.entries(HEADERS).flat();
const STORED_HEADERS = [...ALWAYS, 'content-length', '0', 'etag'];
const VALUE_HEADERS = [...ALWAYS, 'content-type', 'application/octet-stream', 'content-length'];
const PROBLEM_HEADERS = [...ALWAYS, 'content-type', PROBLEM_CONTENT_TYPE, 'content-length'];

/** A request for a session and its answer. */
export class SessionExchange {
  /** The decoded key; empty until the request was admitted. */
  key = '';
  /** Why the request failed, for its log line; no session key in it. */
  failure: string | undefined;
  /** The type of the problem that is answered. */
  problem: ProblemName | undefined;
  /** Whether the connection broke before the body was whole: what is answered then, nobody gets. */
  hasClientLeft = false;
  /** If the request is traced. */
  trace: RequestTrace | undefined;
  /** Of `performance.now()`, in ms. */
  readonly startedAt = performance.now();

  constructor(
    readonly connection: HttpConnection,
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

  answerValue(tag: string, { value, ttlSeconds }: Session): void {
    const own = [String(value.length), 'etag', tag, TTL_HEADER, String(ttlSeconds)];
    this.response.writeHead(200, [...VALUE_HEADERS, ...own]);
    this.connection.send(this.response, value);
  }

  /** 204 or 304. */
  answerAbout(status: number, tag: string, { ttlSeconds }: Session): void {
    this.response.writeHead(status, [...ALWAYS, 'etag', tag, TTL_HEADER, String(ttlSeconds)]).end();
  }

  answerStored(tag: string): void {
    this.response.writeHead(201, [...STORED_HEADERS, tag]).end();
  }

  answerDeleted(): void {
    this.response.writeHead(204, ALWAYS).end();
  }

  /** @param instance what the problem document names as its place (RFC 9457 section 3.1.5) */
  answerProblem(problem: Problem, instance: string): void {
    const document = Buffer.from(problem.document(instance));
    const ownHeaders = Object.entries(problem.headers).flat();
    this.response.writeHead(problem.status, [...PROBLEM_HEADERS, String(document.length), ...ownHeaders]);
    this.connection.send(this.response, document);
  }
}
