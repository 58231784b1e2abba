import { createHash } from 'node:crypto';
import { entityTagOf } from '../sessions/entity-tag.js';
import { LogKey } from '../sessions/log-key.js';
import type { SessionHash } from '../sessions/session-hash.js';
import { RecentWrites } from './recent-writes.js';

const MINUTE_MS = 60_000;
const VALUE = Buffer.from('a value');
const OTHER_VALUE = Buffer.from('another');

let now: number;
let log: { key: LogKey | undefined };
let writes: RecentWrites;

beforeEach(() => {
  now = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
  log = { key: undefined };
  const sessionHash = {
    of: (key: string) => log.key?.hash(key),
    get id() {
      return log.key?.id;
    },
  } as unknown as SessionHash;
  writes = new RecentWrites(sessionHash);
});

afterEach(() => jest.restoreAllMocks());

const write = (key: string, value = VALUE) =>
  writes.record(key, value.length, entityTagOf(value), 'sessions');

describe('a write', () => {
  it('is compared with the last one of its session', () => {
    expect([write('a'), write('a'), write('a', OTHER_VALUE), write('b'), write('a', OTHER_VALUE)]).toEqual([
      undefined,
      'unchanged',
      'changed',
      undefined,
      'unchanged',
    ]);
  });

  it('is compared with nothing after a delete', () => {
    write('a');
    writes.forget('a');
    writes.forget('never written');
    expect([write('a'), write('a')]).toEqual([undefined, 'unchanged']);
  });

  it('is compared with nothing once another secret names the sessions', () => {
    write('a');
    log.key = new LogKey(Buffer.alloc(32, 1));
    expect([write('a'), write('a')]).toEqual([undefined, 'unchanged']);
    expect(writes.top()).toMatchObject({ writes: 2, hashed_with: 'log_key_file' });
  });

  it('is remembered of five thousand sessions at least', () => {
    const keys = Array.from({ length: 5_000 }, (_, n) => `session ${n}`);
    for (const key of keys) write(key);
    const known = keys.filter((key) => write(key) === 'unchanged');
    expect(known.length).toBeGreaterThan(4_900);
  });
});

describe('the top', () => {
  it('names sessions as the log does, or by hashes that nobody can make', () => {
    write('a');
    write('a');
    expect(writes.top()).toMatchObject({ hashed_with: 'a secret of this process' });
    const [own] = writes.top().sessions;
    log.key = new LogKey(Buffer.alloc(32, 1));
    write('a');
    write('a');
    const { sessions } = writes.top();
    expect(sessions).toEqual([
      { session: log.key.hash('a'), namespace: 'sessions', writes: 2, bytes: 14, share: 1 },
    ]);
    expect(own?.session).toMatch(/^[0-9a-f]{4}-[0-9a-f]{16}$/);
    expect(own?.session).not.toBe(sessions[0]?.session);
  });

  it('has those that were rewritten, the most often first, and their share of all', () => {
    for (const key of ['once', 'thrice', 'twice', 'thrice', 'twice', 'thrice']) write(key);
    const { writes: all, bytes, sessions } = writes.top();
    expect([all, bytes]).toEqual([6, 6 * VALUE.length]);
    expect(sessions.map((each) => [each.writes, each.share])).toEqual([
      [3, 0.5],
      [2, 2 / 6],
    ]);
  });

  it('is of the last ten to twenty minutes', () => {
    const writesNow = () => [writes.top().writes, writes.top().sessions.map((each) => each.writes)];
    write('a');
    write('a');
    now = 11 * MINUTE_MS;
    write('a');
    expect(writesNow()).toEqual([3, [3]]);
    now = 22 * MINUTE_MS;
    expect(writesNow()).toEqual([1, []]);
    expect(write('a')).toBe('unchanged');
    now = 60 * MINUTE_MS;
    expect(writesNow()).toEqual([0, []]);
  });

  it('finds what is written most among many more sessions than it remembers, and counts nothing twice', () => {
    const exact = new Map<string, number>();
    for (let n = 0; n < 60_000; n++) {
      const key = skewed(n);
      exact.set(key, (exact.get(key) ?? 0) + 1);
      log.key ??= new LogKey(Buffer.alloc(32, 1));
      write(key);
    }
    const ranked = [...exact].sort(([, a], [, b]) => b - a).slice(0, 20);
    const shown = new Map(writes.top().sessions.map((each) => [each.session, each.writes]));
    expect(exact.size).toBeGreaterThan(20_000);
    for (const [key, count] of ranked) {
      const seen = shown.get(log.key!.hash(key)) ?? 0;
      expect(seen).toBeLessThanOrEqual(count);
      expect(seen).toBeGreaterThan(count * 0.9);
    }
  });

  it('takes less than a mebibyte, whatever is written', () => {
    const held = (Object.values(writes) as object[]).flatMap((each) => [each, ...partsOf(each)]);
    const bytes = held.map((each) => (ArrayBuffer.isView(each) ? each.byteLength : 0));
    expect(bytes.reduce((a, b) => a + b)).toBe(16_384 * 40);
  });
});

/** The arrays of a window. */
function partsOf(each: object): unknown[] {
  return ArrayBuffer.isView(each) ? [] : Object.values(each);
}

/** The nth of a stream in which few sessions are written often and most once, as it is every time. */
function skewed(n: number): string {
  const random = createHash('sha1').update(String(n)).digest().readUInt32BE() / 2 ** 32;
  return `enwiki:MWSession:${Math.floor(100_000 ** (random * 1.2))}`;
}
