import { callbackify } from 'node:util';
import session, { type SessionData } from 'express-session';
import type { KaskClient } from 'kask-client';

export interface KaskStoreOptions {
  client: KaskClient;
  /** Before each session id, to make the key; tells this application's sessions from others'. Default `sess:`. */
  prefix?: string;
  /** What a session is kept as. Default JSON. */
  serializer?: Serializer;
}

export interface Serializer {
  stringify(session: SessionData): string;
  parse(text: string): SessionData;
}

type Done = (error?: unknown) => void;

/**
 * Sessions of express-session in Kask, for as long as their cookie. Every error reaches the callback: express-session
 * then fails the request, where a store that said "disconnected" would let it go on as one of somebody logged out.
 */
export class KaskStore extends session.Store {
  // Private by `#`: applications log requests, and with them their store.
  readonly #client: KaskClient;
  readonly #prefix: string;
  readonly #serializer: Serializer;

  constructor({ client, prefix = 'sess:', serializer = JSON }: KaskStoreOptions) {
    super();
    this.#client = client;
    this.#prefix = prefix;
    this.#serializer = serializer;
  }

  override get(sid: string, done: (error: unknown, session?: SessionData | null) => void): void {
    callbackify(() => this.#read(sid))(done);
  }

  override set(sid: string, session: SessionData, done: Done = ignore): void {
    callbackify(() => this.#write(sid, session))(done);
  }

  /** Renews the expiry without sending the session again; one that is gone stays gone. */
  override touch(sid: string, session: SessionData, done: Done = ignore): void {
    callbackify(() => this.#renew(sid, session))(done);
  }

  override destroy(sid: string, done: Done = ignore): void {
    callbackify(() => this.#client.delete(this.#prefix + sid))(done);
  }

  async #read(sid: string): Promise<SessionData | null> {
    const stored = await this.#client.get(this.#prefix + sid);
    if (!stored) return null;
    const session = this.#parse(new TextDecoder().decode(stored.value));
    // It was renewed without being written again, so what it says itself may have passed.
    if (session.cookie?.expires && stored.ttl > 0)
      session.cookie.expires = new Date(Date.now() + stored.ttl * 1000);
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
    const ttl = ttlOf(session);
    if (ttl === 0) return this.#client.delete(this.#prefix + sid);
    await this.#client.set(this.#prefix + sid, this.#serializer.stringify(session), { ttl });
  }

  async #renew(sid: string, session: SessionData): Promise<void> {
    const ttl = ttlOf(session);
    if (ttl === 0) return this.#client.delete(this.#prefix + sid);
    await this.#client.touch(this.#prefix + sid, { ttl });
  }
}

/** Seconds until the cookie expires, rounded up, 0 if it has; undefined for one that ends with the browser. */
function ttlOf({ cookie }: SessionData): number | undefined {
  // Of a session that was parsed and not made it is text.
  const milliseconds = new Date(cookie?.expires || NaN).getTime() - Date.now();
  if (Number.isNaN(milliseconds)) return undefined;
  return Math.max(0, Math.ceil(milliseconds / 1000));
}

function ignore(): void {}
