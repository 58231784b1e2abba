import type { RequestTrace } from '../../tracing/request-trace.js';

/** No key of a client's: probes read a row that nobody writes, from where a session would be. */
export const PROBE_KEY = 'kask:probe';

/**
 * Where sessions live. The contract of every implementation, held by test/contract:
 * - a key is 1 to 1,024 bytes of UTF-8, a value any bytes;
 * - an operation resolves only when its effect is durable, and reads that start afterwards see it;
 * - a key that is absent or expired is `undefined`; whatever else goes wrong is a StorageError, so that an outage
 *   never looks like a user who is logged out.
 * A `trace` is told what the store asks of others.
 */
export abstract class SessionStore {
  abstract get(key: string, trace?: RequestTrace): Promise<Buffer | undefined>;

  /**
   * Stores or replaces a value. After `ttlSeconds` it is absent; 0 means that it never expires. Then deletes the keys
   * `hiding` it, in this order, as of the same moment: what is written to them later stays.
   */
  abstract set(
    key: string,
    value: Buffer,
    ttlSeconds: number,
    hiding?: readonly string[],
    trace?: RequestTrace,
  ): Promise<void>;

  /** Resolves whether the key was present or not. Deletes the keys `hidden` by it first, in this order, as of the same moment. */
  abstract delete(key: string, hidden?: readonly string[], trace?: RequestTrace): Promise<void>;

  /** Reads as a session would be read, and throws the StorageError that a session would meet. */
  abstract probe(): Promise<void>;
}
