import { RedisConnection } from './redis-connection.js';
import { RedisRefusal, type Reply } from './redis-replies.js';

/** Keys that Redis looks at for one SCAN. */
const LOOK_AT = '500';

/** PTTL of a key that is gone, and of one that never expires. */
const GONE = -2;
const NEVER = -1;

export interface Page {
  cursor: string;
  keys: Buffer[];
}

/** A string under a key of Redis. */
export interface RedisSession {
  /** One byte more than was asked for at most. */
  value: Buffer;
  /** `undefined` if it never expires. */
  ttlMs: number | undefined;
}

/** Who gave it out, and since when: a cursor means nothing to another. */
export async function runIdOf(redis: RedisConnection): Promise<string> {
  const [, id] = /^run_id:(\w+)/m.exec(String(await redis.ask('INFO', 'server'))) ?? [];
  if (id === undefined) throw new RedisRefusal('INFO tells no run_id');
  return id;
}

export async function scan(redis: RedisConnection, from: string, match: string): Promise<Page> {
  const [cursor, keys] = (await redis.ask('SCAN', from, 'MATCH', match, 'COUNT', LOOK_AT)) as [
    Buffer,
    Buffer[],
  ];
  return { cursor: cursor.toString(), keys };
}

/** Its expiry is asked for last: what expires between the two is not taken for an empty one. */
export async function read(
  redis: RedisConnection,
  key: Buffer,
  maxBytes: number,
): Promise<RedisSession | 'expired' | 'wrong_type'> {
  const asked = [redis.ask('GETRANGE', key, '0', String(maxBytes)), redis.ask('PTTL', key)];
  const [value, ttl] = (await Promise.allSettled(asked)) as [Settled, Settled];
  if (value.status === 'rejected' && (value.reason as RedisRefusal).code === 'WRONGTYPE') return 'wrong_type';
  const ttlMs = fulfilled(ttl) as number;
  if (ttlMs === GONE) return 'expired';
  return { value: fulfilled(value) as Buffer, ttlMs: ttlMs === NEVER ? undefined : ttlMs };
}

type Settled = PromiseSettledResult<Reply>;

function fulfilled(settled: Settled): Reply {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}

/** From 0 to 1. Redis counts a cursor up from its highest bit, so that its bits in reverse are the share that is done. */
export function shareDone(cursor: string): number {
  let share = 0;
  let weight = 0.5;
  for (let bits = BigInt(cursor); bits > 0n; bits >>= 1n) {
    if (bits & 1n) share += weight;
    weight /= 2;
  }
  return share;
}
