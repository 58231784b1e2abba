import type { OutgoingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, judged, type Question } from './answers.js';
import { type ClientTls, Connections } from './connections.js';
import { KaskProtocolError, KaskUnavailable } from './errors.js';

export { KaskConflict, KaskError, KaskProtocolError, KaskRefused, KaskUnavailable } from './errors.js';
export type { ClientTls };

export interface KaskClientOptions {
  /** Where the keys are, such as `https://sessionstore.example:8081/sessions/v1/`. */
  url: string | URL;
  /** For a call as a whole, its retries and the pauses between them included. Default 3000. */
  timeoutMs?: number;
  /** How often a call that failed is tried again, where that can do no harm. Default 2. */
  retries?: number;
  tls?: ClientTls;
}

export interface Session {
  value: Uint8Array;
  /** Names these bytes, for `ifMatch`. */
  etag: string;
  /** Seconds left, rounded up; 0 means that it never expires. */
  ttl: number;
}

export interface CallOptions {
  /** For this call as a whole, instead of the client's. */
  timeoutMs?: number;
}

export interface Condition extends CallOptions {
  /** Only where the value is that of this ETag. The key's namespace has to be atomic. */
  ifMatch?: string;
}

export interface TouchOptions extends Condition {
  /** Seconds until the session expires; the service's `default_ttl` unless given. */
  ttl?: number;
}

export interface SetOptions extends TouchOptions {
  /** Only where there is none yet. The key's namespace has to be atomic. */
  ifAbsent?: boolean;
}

/** Of answers that the next try may not get. */
const PASSING = [408, 502, 503, 504];
const FIRST_PAUSE_MS = 100;

export class KaskClient {
  readonly #basePath: string;
  readonly #connections: Connections;
  readonly #timeoutMs: number;
  readonly #retries: number;

  constructor({ url, timeoutMs = 3000, retries = 2, tls }: KaskClientOptions) {
    const base = new URL(url);
    if (base.protocol !== 'https:' && (base.protocol !== 'http:' || tls))
      throw new TypeError(
        `The URL of the service begins with ${base.protocol}; with tls it has to be https:`,
      );
    this.#basePath = base.pathname.replace(/\/*$/, '/');
    this.#connections = new Connections(base, tls);
    this.#timeoutMs = timeoutMs;
    this.#retries = retries;
  }

  /** Undefined if there is no such session. An outage throws. */
  async get(key: string, options: CallOptions = {}): Promise<Session | undefined> {
    const answer = await this.#ask({ method: 'GET', path: this.#path(key), effect: 'none' }, options);
    if (!answer) return undefined;
    // What a proxy says with 200, such as a page to log in, is no session.
    if (answer.headers['content-type'] !== 'application/octet-stream')
      throw new KaskProtocolError('GET was answered with something that is no session', { status: 200 });
    return { value: answer.body, etag: header(answer, 'etag'), ttl: Number(header(answer, 'kask-ttl')) };
  }

  /** Stores bytes, or text as UTF-8. */
  async set(key: string, value: Uint8Array | string, options: SetOptions = {}): Promise<{ etag: string }> {
    const headers = { ...headersOf(options), 'content-type': 'application/octet-stream' };
    const question = { path: this.#path(key), headers, body: value, effect: effectOf(options, 'once') };
    const answer = await this.#ask({ method: 'PUT', ...question }, options);
    return { etag: header(answer as Answer, 'etag') };
  }

  /** Deletes the session, if there is one. */
  async delete(key: string, options: Condition = {}): Promise<void> {
    const effect = effectOf(options, 'repeatable');
    await this.#ask(
      { method: 'DELETE', path: this.#path(key), headers: headersOf(options), effect },
      options,
    );
  }

  /** Renews the expiry without sending the value again. False if there is no such session. */
  async touch(key: string, options: TouchOptions = {}): Promise<boolean> {
    const effect = effectOf(options, 'repeatable');
    const question = { path: this.#path(key), headers: headersOf(options), effect };
    return (await this.#ask({ method: 'PATCH', ...question }, options)) !== undefined;
  }

  /** Ends the connections. Those without a request do not keep a process alive. */
  close(): void {
    this.#connections.close();
  }

  #path(key: string): string {
    if (key === '') throw new TypeError('The key of a session is empty');
    return this.#basePath + encodeURIComponent(key);
  }

  async #ask(question: Question, { timeoutMs = this.#timeoutMs }: CallOptions): Promise<Answer | undefined> {
    const endsAt = performance.now() + timeoutMs;
    const signal = AbortSignal.timeout(timeoutMs);
    for (let pauseMs = FIRST_PAUSE_MS, triesLeft = this.#retries; ; pauseMs *= 2, triesLeft--) {
      try {
        return judged(question, await this.#connections.exchange(question, signal));
      } catch (error) {
        if (triesLeft === 0 || !isWorthAnotherTry(error, question)) throw error;
        // By chance, so that those who failed together do not come back together.
        const waitMs = (error.retryAfterMs ?? 0) + Math.random() * pauseMs;
        if (performance.now() + waitMs >= endsAt) throw error;
        await sleep(waitMs);
      }
    }
  }
}

function isWorthAnotherTry(error: unknown, { effect }: Question): error is KaskUnavailable {
  if (!(error instanceof KaskUnavailable)) return false;
  if (error.status !== undefined && !PASSING.includes(error.status)) return false;
  // Kask repeats that one itself, until every datacenter has it.
  if (error.problem === 'delete_pending') return false;
  return effect === 'repeatable' || !error.outcomeUnknown;
}

function effectOf({ ifMatch, ifAbsent }: SetOptions, plain: Question['effect']): Question['effect'] {
  return ifMatch !== undefined || ifAbsent ? 'conditional' : plain;
}

function headersOf(options: SetOptions): OutgoingHttpHeaders {
  const { ttl, ifMatch, ifAbsent } = options;
  // Of a session that was not there: what was meant to depend on it must not become a write that does not.
  if ('ifMatch' in options && ifMatch === undefined) throw new TypeError('ifMatch is undefined');
  return {
    ...(ttl !== undefined && { 'kask-ttl': String(ttl) }),
    ...(ifMatch !== undefined && { 'if-match': ifMatch }),
    ...(ifAbsent && { 'if-none-match': '*' }),
  };
}

function header({ headers, status }: Answer, name: 'etag' | 'kask-ttl'): string {
  const value = headers[name];
  if (typeof value === 'string') return value;
  throw new KaskProtocolError(`The answer has no ${name}: the service is older than this client`, { status });
}
