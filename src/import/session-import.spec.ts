import { StorageError } from '../modules/storage/storage-error.js';
import { noCounts } from './import-counts.js';
import { importOptionsOf } from './import-options.js';
import { BEGINNING, type ImportState } from './import-state.js';
import type { RedisConnection } from './redis-connection.js';
import type { Reply } from './redis-replies.js';
import { shareDone } from './redis-sessions.js';
import { type Keep, SessionImport, StorageAway } from './session-import.js';

const AWAY = new StorageError('unavailable', 'not connected to Cassandra');
const SETTINGS = { default_ttl: 600, max_ttl: 3_600, max_value_bytes: 100 };

/** Pages of session ids, with the cursors 1, 2, … between them. */
function redisOf(...pages: string[][]): RedisConnection {
  const answers: Record<string, (...words: (string | Buffer)[]) => Reply> = {
    SCAN: (cursor) => {
      const next = Number(cursor) + 1;
      const names = (pages[next - 1] ?? []).map((id) => Buffer.from(`PHPREDIS_SESSION:${id}`));
      return [Buffer.from(next === pages.length ? BEGINNING : String(next)), names];
    },
    GETRANGE: (name) => Buffer.from(`value of ${String(name)}`),
    PTTL: () => 1_500,
  };
  const ask = (verb: string, ...words: (string | Buffer)[]): Promise<Reply> =>
    Promise.resolve(answers[verb]?.(...words) ?? null);
  return { ask } as unknown as RedisConnection;
}

function importing(redis: RedisConnection, keep: Keep, patienceMs = 60_000, rate?: string) {
  const options = importOptionsOf({ from: 'redis://localhost', rate });
  const state: ImportState = { redis: 'r', of: 'o', cursor: BEGINNING, counts: noCounts() };
  const sessions = new SessionImport(redis, keep, { options, settings: SETTINGS, hmacKey: '', patienceMs });
  return { state, sessions };
}

it('hands each session to the storage, with what is left of its time in whole seconds', async () => {
  const kept: [string, string, number][] = [];
  const { state, sessions } = importing(redisOf(['a'], ['b']), (key, value, ttl) =>
    Promise.resolve(kept.push([key, value.toString(), ttl])),
  );
  expect(await sessions.run(state, () => undefined)).toBe(true);
  expect(kept).toEqual([
    ['PHPREDIS_SESSION:a', 'value of PHPREDIS_SESSION:a', 2],
    ['PHPREDIS_SESSION:b', 'value of PHPREDIS_SESSION:b', 2],
  ]);
  expect(state.counts.imported).toBe(2);
});

it('asks a storage again that cannot do it now', async () => {
  let refusals = 3;
  const { state, sessions } = importing(redisOf(['a']), () =>
    refusals-- > 0 ? Promise.reject(AWAY) : Promise.resolve(),
  );
  await sessions.run(state, () => undefined);
  expect(state.counts).toMatchObject({ imported: 1, failed: 0 });
});

it('gives up when the storage takes nothing for long, and stays before the page', async () => {
  const keep: Keep = (key) => (key.endsWith('b') ? Promise.reject(AWAY) : Promise.resolve());
  const { state, sessions } = importing(redisOf(['a'], ['b']), keep, 200);
  await expect(sessions.run(state, () => undefined)).rejects.toThrow(new StorageAway(AWAY.reason));
  expect(state).toMatchObject({ cursor: '1', counts: { imported: 1 } });
});

it('counts a session that alone is not taken, and says why without naming it', async () => {
  const keep: Keep = (key) =>
    key.endsWith('bad') ? Promise.reject(new Error(`no place for ${key}`)) : Promise.resolve();
  const { state, sessions } = importing(redisOf(['a', 'bad', 'c']), keep);
  await sessions.run(state, () => undefined);
  expect(state.counts).toMatchObject({ imported: 2, failed: 1 });
  expect(sessions.failure).toMatch(/^Error\n/);
  expect(sessions.failure).not.toContain('PHPREDIS_SESSION');
});

it('counts what the storage finds too large', async () => {
  const keep: Keep = () => Promise.reject(new StorageError('too_large', 'more than a statement may hold'));
  const { state, sessions } = importing(redisOf(['a']), keep);
  await sessions.run(state, () => undefined);
  expect(state.counts).toMatchObject({ imported: 0, too_large: 1 });
});

it('stops before the end when it is told to, at a page that is done', async () => {
  const { state, sessions } = importing(redisOf(['a'], ['b'], ['c']), (key) => {
    if (key.endsWith('b')) sessions.stop();
    return Promise.resolve();
  });
  expect(await sessions.run(state, () => undefined)).toBe(false);
  expect(state).toMatchObject({ cursor: '1', counts: { imported: 1 } });
});

it('tells of no failure where it was stopped while the storage was away', async () => {
  const { state, sessions } = importing(redisOf(['a'], ['b']), () => {
    sessions.stop();
    return Promise.reject(AWAY);
  });
  expect(await sessions.run(state, () => undefined)).toBe(false);
  expect(sessions.failure).toBeUndefined();
});

it('takes no more in a second than it may', async () => {
  const ids = Array.from({ length: 11 }, (_, i) => String(i));
  const { state, sessions } = importing(redisOf(ids), () => Promise.resolve(), undefined, '100');
  const began = performance.now();
  await sessions.run(state, () => undefined);
  expect(performance.now() - began).toBeGreaterThan(95);
});

it('knows how far a cursor of Redis is', () => {
  // A table of eight buckets is walked in the order 0, 4, 2, 6, 1, 5, 3, 7.
  expect(['0', '4', '2', '6', '1', '5', '3', '7'].map(shareDone)).toEqual(
    Array.from({ length: 8 }, (_, i) => i / 8),
  );
});
