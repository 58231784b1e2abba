import { callbackify } from 'node:util';
import session, { type SessionData } from 'express-session';
import { type KaskClient, KaskRefused, KaskUnavailable, type SetOptions } from 'kask-client';

export interface KaskStoreOptions {
  client: KaskClient;
  /** Before each session id, to make the key; tells this application's sessions from others'. Default `sess:`. */
  prefix?: string;
  /** Of a session whose cookie ends with the browser, in seconds. Default: the service's `default_ttl`, which is not known here. */
  ttl?: number;
  /** Writes a session only as long as it is what was read. The namespace of the prefix has to be atomic. Default false. */
  atomic?: boolean;
  /** What a session is kept as. Default JSON. */
  serializer?: Serializer;
}

export interface Serializer {
  stringify(session: SessionData): string;
  parse(text: string): SessionData;
}

type Done = (error?: unknown) => void;

/** Of a session when it was read or written. */
interface Stored {
  etag: string;
  /** Seconds that were left; undefined if the service decided. */
  ttl?: number;
}

/** Of its life: a session with more than that left is not renewed. */
const FRESH = 0.9;

/**
 * Sessions of express-session in Kask, for as long as their cookie. Every error reaches the callback: express-session
 * then fails the request, where a store that said "disconnected" would let it go on as one of somebody logged out.
 */
export class KaskStore extends session.Store {
  // Private by `#`: applications log requests, and with them their store.
  readonly #client: KaskClient;
  readonly #prefix: string;
  readonly #serializer: Serializer;
  readonly #ttl?: number;
  readonly #atomic: boolean;
  readonly #stored = new WeakMap<object, Stored>();

  constructor({ client, prefix = 'sess:', ttl, atomic = false, serializer = JSON }: KaskStoreOptions) {
    super();
    this.#client = client;
    this.#prefix = prefix;
    this.#ttl = ttl;
    this.#atomic = atomic;
    this.#serializer = serializer;
  }

  override get(sid: string, done: (error: unknown, session?: SessionData | null) => void): void {
    callbackify(() => this.#read(sid))(done);
  }

  override set(sid: string, session: SessionData, done: Done = ignore): void {
    callbackify(() => this.#write(sid, session))(done);
  }

  /** Renews the expiry, once a tenth of it has passed, without sending the session again; one that is gone stays gone. */
  override touch(sid: string, session: SessionData, done: Done = ignore): void {
    callbackify(() => this.#renew(sid, session))(done);
  }

  override destroy(sid: string, done: Done = ignore): void {
    callbackify(() => this.#client.delete(this.#prefix + sid))(done);
  }

  /**
   * A new session for the request. If the old one may live on, the new one is neither stored nor sent, and the visitor keeps
   * the cookie that there is: express-session leaves a request alone that has no session id.
   */
  override regenerate(request: Express.Request, done: Done): void {
    this.destroy(request.sessionID, (error) => {
      request.sessionStore.generate(request);
      if (error && !isPending(error)) Object.assign(request, { sessionID: undefined });
      done(error);
    });
  }

  /** What express-session makes of one that was read, and hands back to be written. */
  override createSession(
    ...[request, data]: Parameters<session.Store['createSession']>
  ): session.Session & SessionData {
    const session = super.createSession(request, data);
    const stored = this.#stored.get(data);
    if (stored) this.#stored.set(session, stored);
    return session;
  }

  async #read(sid: string): Promise<SessionData | null> {
    const stored = await this.#client.get(this.#prefix + sid);
    if (!stored) return null;
    const session = this.#parse(new TextDecoder().decode(stored.value));
    // It was renewed without being written again, so what it says itself may have passed.
    if (session.cookie?.expires && stored.ttl > 0)
      session.cookie.expires = new Date(Date.now() + stored.ttl * 1000);
    this.#stored.set(session, { etag: stored.etag, ttl: stored.ttl });
    return session;
  }

  #parse(text: string): SessionData {
    try {
      return this.#serializer.parse(text);
    } catch {
      // What a parser says has the beginning of the text in it.
      throw new Error('A session in the store is not what the serializer writes');
    }
  }

  async #write(sid: string, session: SessionData): Promise<void> {
    const ttl = this.#ttlOf(session);
    if (ttl === 0) return this.#client.delete(this.#prefix + sid);
    const options = { ttl, ...this.#conditionOf(session) };
    const { etag } = await this.#client.set(this.#prefix + sid, this.#serializer.stringify(session), options);
    this.#stored.set(session, { etag, ttl });
  }

  #conditionOf(session: SessionData): SetOptions {
    if (!this.#atomic) return {};
    const stored = this.#stored.get(session);
    return stored ? { ifMatch: stored.etag } : { ifAbsent: true };
  }

  async #renew(sid: string, session: SessionData): Promise<void> {
    const ttl = this.#ttlOf(session);
    if (ttl === 0) return this.#client.delete(this.#prefix + sid);
    if (isFresh(this.#stored.get(session)?.ttl, ttl)) return;
    try {
      await this.#client.touch(this.#prefix + sid, { ttl });
    } catch (error) {
      // Nothing is lost yet, and the page that was asked for is there.
      if (!isPassing(error)) throw error;
    }
  }

  /** Seconds until the cookie expires, rounded up, 0 if it has. */
  #ttlOf({ cookie }: SessionData): number | undefined {
    // Of a session that was parsed and not made it is text.
    const milliseconds = new Date(cookie?.expires || NaN).getTime() - Date.now();
    if (Number.isNaN(milliseconds)) return this.#ttl;
    return Math.max(0, Math.ceil(milliseconds / 1000));
  }
}

/** One with more left than its cookie has was given a shorter life meanwhile. */
function isFresh(left?: number, ttl?: number): boolean {
  return left !== undefined && ttl !== undefined && left > FRESH * ttl && left <= ttl;
}

function isPassing(error: unknown): boolean {
  return (
    error instanceof KaskUnavailable || (error instanceof KaskRefused && error.problem === 'over_budget')
  );
}

/** A datacenter has not acknowledged the delete. Kask repeats it until each has. */
function isPending(error: unknown): boolean {
  return error instanceof KaskUnavailable && error.problem === 'delete_pending';
}

function ignore(): void {}
