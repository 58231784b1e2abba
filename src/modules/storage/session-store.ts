import type { RequestTrace } from '../../tracing/request-trace.js';

/** No key of a client's: probes read a row that nobody writes, from where a session would be. */
export const PROBE_KEY = 'kask:probe';

/** What a key holds. */
export interface Session {
  readonly value: Buffer;
  /** Until it expires, rounded up; 0 means that it never does. */
  readonly ttlSeconds: number;
}

/** Where a session is kept from when it is renewed, and as which bytes. */
export interface Renewal {
  readonly key: string;
  readonly value: Buffer;
}

/** Of a conditional write: what the key has to hold for it to be made. A function is asked only about a value that is there. */
export type Condition = 'any' | 'absent' | 'present' | ((value: Buffer) => boolean);

/**
 * Where sessions live. The contract of every implementation, held by test/contract:
 * - a key is 1 to 1,024 bytes of UTF-8, a value any bytes;
 * - an operation resolves only when its effect is durable, and reads that start afterwards see it;
 * - a key that is absent or expired is `undefined`; whatever else goes wrong is a StorageError, so that an outage
 *   never looks like a user who is logged out.
 * - a key is written either by `set`, `touch` and `delete`, or by the three whose names end in `If`, for as long as
 *   any process knows it: Cassandra orders the two kinds by different clocks.
 * A `trace` is told what the store asks of others.
 */
export abstract class SessionStore {
  abstract get(key: string, trace?: RequestTrace): Promise<Session | undefined>;

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

  /**
   * Renews the expiry of what is there, and returns it as it is then; undefined if nothing is. It loses against every
   * write and delete that began after it has read, so that no logout is undone. Elsewhere than at its key, or as other
   * bytes, it is renewed if `renewalOf` says so of what is there.
   */
  abstract touch(
    key: string,
    ttlSeconds: number,
    trace?: RequestTrace,
    renewalOf?: (value: Buffer) => Renewal | undefined,
  ): Promise<Session | undefined>;

  /**
   * Stores or replaces a value if the condition holds, and tells whether it did. Of conditional writes to one key at a
   * time each sees what the one before it did, in every datacenter. A StorageError of kind `timeout` tells nothing.
   */
  abstract setIf(
    key: string,
    condition: Condition,
    value: Buffer,
    ttlSeconds: number,
    trace?: RequestTrace,
  ): Promise<boolean>;

  /** Renews the expiry of what is there; undefined if nothing is, false if the condition does not hold. */
  abstract touchIf(
    key: string,
    condition: Condition,
    ttlSeconds: number,
    trace?: RequestTrace,
  ): Promise<Session | undefined | false>;

  abstract deleteIf(key: string, condition: Condition, trace?: RequestTrace): Promise<boolean>;

  /**
   * Takes over what another store held before, unless this one holds, or held within the grace period of its deletes,
   * anything of that key: it loses against every write and delete, whenever they were.
   */
  abstract adopt(key: string, value: Buffer, ttlSeconds: number): Promise<void>;

  /** Reads as a session would be read, and throws the StorageError that a session would meet. */
  abstract probe(): Promise<void>;
}

export function holds(condition: Condition, value: Buffer | undefined): boolean {
  if (condition === 'any') return true;
  if (condition === 'absent') return value === undefined;
  return value !== undefined && (condition === 'present' || condition(value));
}
