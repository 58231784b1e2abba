import { Writable } from 'node:stream';
import { PinoLogger } from 'nestjs-pino';
import { Registry } from 'prom-client';
import { Settings } from '../../../config/settings.js';
import { Metrics } from '../../metrics/metrics.js';
import { StorageError, type StorageErrorKind } from '../storage-error.js';
import type { CassandraService } from './cassandra.service.js';
import { CassandraSessionStore } from './cassandra-session-store.js';
import type { Execution } from './lane/execution.js';
import type { ConditionalWrites } from './conditional-writes.js';
import { PendingDeletes } from './pending-deletes.js';
import { Timestamps } from './timestamps.js';

const KEY = 'enwiki:MWSession:secret';
const TIMEOUT_MS = 2_500;

interface Asked extends Execution {
  timeoutMs: number;
  atMs: number;
}

type Answer = (execution: Execution, timeoutMs: number) => Promise<undefined>;

/** A cluster that answers as a test says, and keeps what it was asked. */
class ScriptedCassandra {
  readonly timeoutMs = TIMEOUT_MS;
  readonly asked: Asked[] = [];
  answers: Partial<Record<Execution['statement'], Answer>> = {};

  run(execution: Execution, timeoutMs = TIMEOUT_MS): Promise<undefined> {
    this.asked.push({ ...execution, timeoutMs, atMs: performance.now() });
    return this.answers[execution.statement]?.(execution, timeoutMs) ?? Promise.resolve(undefined);
  }

  statements(): string[] {
    return this.asked.map(({ statement }) => statement);
  }
}

const refuse = (): Promise<never> =>
  Promise.reject(new StorageError('unavailable', 'too few replicas are alive for the consistency level'));
const late = (): Promise<never> =>
  Promise.reject(new StorageError('timeout', 'Cassandra did not answer in time'));
const hang: Answer = (_execution, timeoutMs) =>
  new Promise((resolve) => setTimeout(resolve, timeoutMs)).then(late);

let cassandra: ScriptedCassandra;
let registry: Registry;
let output: string;
let pending: PendingDeletes;
let store: CassandraSessionStore;

beforeEach(() => {
  jest.useFakeTimers();
  output = '';
  cassandra = new ScriptedCassandra();
  registry = new Registry();
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      output += String(chunk);
      done();
    },
  });
  const write = (level: string) => (fields: object) =>
    void destination.write(`${JSON.stringify({ level, ...fields })}\n`);
  const logger = { warn: write('warn'), error: write('error'), info: write('info') } as unknown as PinoLogger;
  // Of which a quarter is for the last try.
  const settings = Object.assign(new Settings(), { shutdown_timeout_ms: 400 });
  const service = cassandra as unknown as CassandraService;
  pending = new PendingDeletes(service, settings, new Metrics(registry), logger);
  store = new CassandraSessionStore(service, pending, new Timestamps(), {} as ConditionalWrites);
});

afterEach(() => {
  jest.useRealTimers();
  expect(output).not.toContain('MWSession');
});

/** What a client is told, once the cluster has answered or its time is over. */
async function remove(key = KEY): Promise<{ kind?: StorageErrorKind; reason?: string }> {
  const outcome = store.delete(key).then(
    () => ({}),
    (error: StorageError) => ({ kind: error.kind, reason: error.reason }),
  );
  await jest.advanceTimersByTimeAsync(0);
  return outcome;
}

async function gauge(name: string): Promise<number> {
  const samples = (await registry.getSingleMetric(name)?.get())?.values ?? [];
  return samples[0]?.value ?? NaN;
}

async function events(): Promise<Record<string, number>> {
  const samples = (await registry.getSingleMetric('kask_pending_deletes_total')?.get())?.values ?? [];
  return Object.fromEntries(samples.map(({ labels, value }) => [labels.event as string, value]));
}

const lines = (): { level: string; msg: string }[] =>
  output
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { level: string; msg: string });

describe('a delete', () => {
  it('that every datacenter acknowledges is done', async () => {
    expect(await remove()).toEqual({});
    expect(cassandra.asked).toMatchObject([{ statement: 'delete', timeoutMs: 2_000 }]);
    expect(await gauge('kask_pending_deletes')).toBe(0);
    expect(output).toBe('');
  });

  it.each<[string, Partial<ScriptedCassandra['answers']>, string[], string]>([
    ['a datacenter', {}, ['deleteLocally'], 'it took effect in this datacenter'],
    [
      'the quorum here',
      { deleteLocally: refuse },
      ['deleteLocally', 'deleteAtOne'],
      'it reached a replica at least',
    ],
    [
      'every replica',
      { deleteLocally: refuse, deleteAtOne: refuse },
      ['deleteLocally', 'deleteAtOne'],
      'it may have taken effect nowhere yet',
    ],
    ['the answer', { deleteLocally: late }, ['deleteLocally'], 'it may have taken effect nowhere yet'],
  ])('that lacks %s is pending, with one timestamp for all tries', async (_what, answers, then, reason) => {
    cassandra.answers = { delete: refuse, ...answers };
    expect(await remove()).toEqual({ kind: 'delete_pending', reason });
    expect(cassandra.statements()).toEqual(['delete', ...then]);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(new Set(cassandra.asked.map(({ timestamp }) => timestamp)).size).toBe(1);
    expect(cassandra.statements()).toEqual(['delete', ...then, 'delete']);
  });

  it('leaves this datacenter a fifth of the time', async () => {
    cassandra.answers = { delete: hang };
    const answered = remove();
    await jest.advanceTimersByTimeAsync(2_000);
    expect(await answered).toMatchObject({ kind: 'delete_pending' });
    expect(cassandra.asked[1]).toMatchObject({ statement: 'deleteLocally', timeoutMs: 500 });
  });

  it('does not wait long for a datacenter that was silent just now', async () => {
    cassandra.answers = { delete: hang };
    const first = remove('first');
    await jest.advanceTimersByTimeAsync(2_000);
    await first;
    void remove('second').catch(() => undefined);
    expect(cassandra.asked.at(-1)).toMatchObject({ statement: 'delete', timeoutMs: 300 });
    await jest.advanceTimersByTimeAsync(300);
    expect(cassandra.asked.at(-1)).toMatchObject({ statement: 'deleteLocally', timeoutMs: 2_200 });
    cassandra.answers = {};
    await jest.advanceTimersByTimeAsync(20_000);
    await remove('third');
    expect(cassandra.asked.at(-1)).toMatchObject({ timeoutMs: 2_000 });
  });

  it.each([
    ['a fault of ours', new TypeError('ours')],
    ['what no repeat mends', new StorageError('too_large', 'too large')],
  ])('is not remembered for %s', async (_what, error) => {
    cassandra.answers = { delete: () => Promise.reject(error) };
    await expect(store.delete(KEY)).rejects.toBe(error);
    expect(await gauge('kask_pending_deletes')).toBe(0);
  });
});

describe('what is pending', () => {
  beforeEach(() => (cassandra.answers = { delete: refuse }));

  const repeats = (fromMs: number): number[] =>
    cassandra.asked
      .filter(({ statement, atMs }) => statement === 'delete' && atMs > fromMs)
      .map(({ atMs }) => Math.round(atMs - fromMs));

  it('is repeated after a second, then ever less often', async () => {
    await remove();
    const start = performance.now();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(repeats(start)).toEqual([1_000, 3_000, 7_000, 15_000, 25_000, 35_000, 45_000, 55_000]);
  });

  it('is soon repeated once another delete is acknowledged everywhere', async () => {
    await remove();
    await jest.advanceTimersByTimeAsync(56_000);
    const start = performance.now();
    cassandra.answers = {};
    await remove('another');
    await jest.advanceTimersByTimeAsync(1_000);
    expect(repeats(start)).toEqual([1_000]);
    expect(await gauge('kask_pending_deletes')).toBe(0);
  });

  it('is not asked for more often the more deletes succeed', async () => {
    await remove();
    cassandra.answers = {
      delete: ({ key }) => (String(key) === KEY ? refuse() : Promise.resolve(undefined)),
    };
    for (let i = 0; i < 100; i++) {
      await remove(`other${i}`);
      await jest.advanceTimersByTimeAsync(100);
    }
    const again = cassandra.asked.filter(
      ({ statement, key }) => statement === 'delete' && String(key) === KEY,
    );
    expect(again.length).toBeGreaterThan(5);
    expect(again.length).toBeLessThanOrEqual(11);
  });

  it('is tried one alone at first, then 64 at once, the oldest first', async () => {
    for (let i = 0; i < 200; i++) await remove(`key${i}`);
    const first = cassandra.asked.length;
    let underWay = 0;
    const most: number[] = [];
    cassandra.answers = {
      delete: async () => {
        most.push(++underWay);
        await new Promise((resolve) => setTimeout(resolve, 10));
        underWay--;
        return undefined;
      },
    };
    await jest.advanceTimersByTimeAsync(1_100);
    expect(cassandra.asked.slice(first).map(({ key }) => String(key))).toEqual(
      Array.from({ length: 200 }, (_, i) => `key${i}`),
    );
    expect([most[1], Math.max(...most)]).toEqual([1, 64]);
    expect(await events()).toEqual({ remembered: 200, done: 200, dropped: 0 });
  });

  it('does not wait for a key whose replicas stay away', async () => {
    for (const key of ['away', 'back']) await remove(key);
    cassandra.answers = {
      delete: ({ key }) => (String(key) === 'away' ? refuse() : Promise.resolve(undefined)),
    };
    await jest.advanceTimersByTimeAsync(10_000);
    expect(await gauge('kask_pending_deletes')).toBe(1);
  });

  it('is forgotten for a newer delete of the same key, and counts from the first', async () => {
    await remove();
    await jest.advanceTimersByTimeAsync(900);
    await remove();
    const newest = cassandra.asked.at(-1)?.timestamp;
    await jest.advanceTimersByTimeAsync(100);
    expect(cassandra.asked.at(-1)).toMatchObject({ statement: 'delete', timestamp: newest });
    expect(await gauge('kask_pending_deletes_oldest_seconds')).toBeCloseTo(1);
    expect(await events()).toEqual({ remembered: 1, done: 0, dropped: 0 });
    cassandra.answers = {};
    await remove();
    expect(await events()).toEqual({ remembered: 1, done: 1, dropped: 0 });
    expect(lines().at(-1)).toMatchObject({ level: 'info', msg: 'no delete is pending any more' });
    expect(jest.getTimerCount()).toBe(0);
  });

  it('stays if a newer delete was refused while it was repeated', async () => {
    await remove();
    let acknowledge!: () => void;
    cassandra.answers = { delete: () => new Promise((resolve) => (acknowledge = () => resolve(undefined))) };
    await jest.advanceTimersByTimeAsync(1_000);
    cassandra.answers = { delete: refuse };
    await remove();
    acknowledge();
    await jest.advanceTimersByTimeAsync(0);
    expect(await gauge('kask_pending_deletes')).toBe(1);
  });

  it('is told of when it begins, once a minute, and when it ends', async () => {
    for (const key of ['first', 'second']) await remove(key);
    await jest.advanceTimersByTimeAsync(130_000);
    cassandra.answers = {};
    await jest.advanceTimersByTimeAsync(10_000);
    const reason = 'too few replicas are alive for the consistency level';
    expect(lines()).toMatchObject([
      { level: 'warn', msg: 'a delete is pending until every datacenter acknowledges it', reason },
      { msg: 'deletes are pending until every datacenter acknowledges them', pending: 2, reason },
      { level: 'warn', pending: 2, oldest_seconds: expect.any(Number) as number },
      { level: 'info', msg: 'no delete is pending any more' },
    ]);
  });

  it('is no more than 100,000, of which the oldest are dropped', async () => {
    const error = new StorageError('unavailable', 'away');
    for (let i = 0; i < 100_003; i++) pending.remember(`key${i}`, i, error);
    expect(await gauge('kask_pending_deletes')).toBe(100_000);
    expect(await events()).toEqual({ remembered: 100_003, done: 0, dropped: 3 });
    expect(lines().filter(({ level }) => level === 'error')).toMatchObject([{ most: 100_000 }]);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(String(cassandra.asked.at(-1)?.key)).toBe('key3');
  });
});

describe('at the end of the process', () => {
  it('nothing is said or done if nothing is pending', async () => {
    await pending.onApplicationShutdown();
    expect([output, cassandra.asked]).toEqual(['', []]);
  });

  it('each is tried once more', async () => {
    cassandra.answers = { delete: refuse };
    for (let i = 0; i < 100; i++) await remove(`key${i}`);
    cassandra.answers = {};
    await pending.onApplicationShutdown();
    expect(await events()).toEqual({ remembered: 100, done: 100, dropped: 0 });
    expect(lines().slice(-2)).toMatchObject([
      { level: 'warn', msg: 'trying pending deletes a last time', pending: 100 },
      { level: 'info', msg: 'no delete is pending any more' },
    ]);
  });

  it('what is left is told, and is not repeated', async () => {
    cassandra.answers = { delete: refuse };
    for (const key of ['first', 'second']) await remove(key);
    await pending.onApplicationShutdown();
    expect(lines().at(-1)).toMatchObject({
      level: 'error',
      msg: 'ending with deletes that not every datacenter has acknowledged',
      pending: 2,
    });
    const { length } = cassandra.asked;
    await jest.advanceTimersByTimeAsync(60_000);
    expect(cassandra.asked).toHaveLength(length);
  });

  it('does not wait for a datacenter that is silent', async () => {
    cassandra.answers = { delete: refuse };
    await remove();
    cassandra.answers = { delete: () => new Promise(() => undefined) };
    await pending.onApplicationShutdown();
    expect(lines().at(-1)).toMatchObject({ level: 'error', pending: 1 });
  });
});
