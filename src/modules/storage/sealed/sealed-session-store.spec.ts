import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PinoLogger } from 'nestjs-pino';
import { Registry } from 'prom-client';
import { SealingKeyFiles } from '../../../../test/harness/sealing-keys.js';
import { judge, type Violation } from '../../../../test/judge/checker.js';
import { type Call, History } from '../../../../test/judge/history.js';
import { onCassandra } from '../../../../test/judge/stores.js';
import { type EncryptionSettings, Settings } from '../../../config/settings.js';
import { Metrics } from '../../metrics/metrics.js';
import type { CassandraService } from '../cassandra/cassandra.service.js';
import { CassandraSessionStore } from '../cassandra/cassandra-session-store.js';
import type { Execution, Row } from '../cassandra/lane/execution.js';
import type { ConditionalWrites } from '../cassandra/conditional-writes.js';
import type { PendingDeletes } from '../cassandra/pending-deletes.js';
import { Timestamps } from '../cassandra/timestamps.js';
import type { Session } from '../session-store.js';
import { StorageError } from '../storage-error.js';
import { SealedSessionStore } from './sealed-session-store.js';
import { UnopenableValue } from './sealed-value.js';

const DAY = 86_400;
const FUTURE = '9999-12-31';
const PAST = '2000-01-01';
const KEY = 'enwiki:MWSession:alice';
const text = (session: Session | undefined): string | undefined => session?.value.toString();
const keyFiles = new SealingKeyFiles();

/** Keeps of two writes to a row the later, whichever comes first, as Cassandra does. */
class Rows {
  readonly rows = new Map<string, { value: Buffer | undefined; timestamp: number }>();
  readonly timeoutMs = 2_000;
  delayMs = 0;
  failing: (row: string) => boolean = () => false;
  beforeWrite: (() => Promise<void>) | undefined;

  async run({ statement, key, value, timestamp }: Execution): Promise<Row | undefined> {
    const row = key.toString();
    await this.travel(row);
    if (statement === 'set') await this.beforeWrite?.();
    const before = this.rows.get(row);
    const isLater = timestamp > (before?.timestamp ?? 0) || (timestamp === before?.timestamp && !value);
    if (!statement.startsWith('get') && isLater) this.rows.set(row, { value, timestamp });
    await this.travel(row);
    return before?.value && { value: before.value, ttlSeconds: DAY, writtenAt: before.timestamp };
  }

  /** Of sealed rows and plain ones, those that have a value. */
  present(): string[] {
    return [...this.rows].filter(([, { value }]) => value).map(([row]) => row);
  }

  private async travel(row: string): Promise<void> {
    if (this.delayMs > 0) await sleep(Math.random() * this.delayMs);
    if (this.failing(row)) throw new StorageError('unavailable', 'away');
  }
}

let directory: string;
let rows: Rows;
let unsealed: CassandraSessionStore;
const stores: SealedSessionStore[] = [];
let registry: Registry;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'kask-sealed-'));
  rows = new Rows();
  const pending = { remember: () => undefined, acknowledged: () => undefined, timedOut: false };
  unsealed = new CassandraSessionStore(
    rows as unknown as CassandraService,
    pending as unknown as PendingDeletes,
    new Timestamps(),
    {} as ConditionalWrites,
  );
});
afterEach(() => {
  for (const store of stores.splice(0)) store.onApplicationShutdown();
  rmSync(directory, { recursive: true });
});

/** A process with a file of keys: `value a, row b`. */
function processWith(keys: string, window: Omit<EncryptionSettings, 'key_file'> = {}): SealedSessionStore {
  const key_file = path.join(directory, `keys-${stores.length}`);
  keyFiles.write(key_file, keys.split(', '));
  registry = new Registry();
  const logger = new PinoLogger({ pinoHttp: { level: 'silent' } });
  const store = new SealedSessionStore(
    unsealed,
    { key_file, ...window },
    new Settings(),
    new Metrics(registry),
    logger,
  );
  stores.push(store);
  return store;
}

async function reads(): Promise<Record<string, number>> {
  const { values } = (await registry.getSingleMetric('kask_encryption_reads_total')?.get()) ?? { values: [] };
  return Object.fromEntries(values.map(({ labels, value }) => [`${labels.row} ${labels.key}`, value]));
}

const SEALED = 'value a, row a';
const window = { read_unencrypted_until: FUTURE };
const before = { ...window, seal_from: FUTURE };

describe('what another store is given to keep', () => {
  it('shows neither a key nor a value', async () => {
    await processWith(SEALED).set(KEY, Buffer.from('JSON.abc.{}'), DAY);
    const row = rows.present()[0]!;
    const value = rows.rows.get(row)!.value!;
    expect(row).toMatch(/^kask:row:[\w-]{43}$/);
    expect(value.includes('JSON')).toBe(false);
  });

  it('is no value to who has another key, and no absent session either', async () => {
    await processWith(SEALED).set(KEY, Buffer.from('value'), DAY);
    const other = processWith('value b, row a');
    await expect(other.get(KEY)).rejects.toThrow(new UnopenableValue('unknown_key'));
    expect(await registry.getSingleMetricAsString('kask_encryption_unopenable_total')).toContain(
      '{reason="unknown_key"} 1',
    );
    await other.set(KEY, Buffer.from('written anew'), DAY);
    expect(text(await other.get(KEY))).toBe('written anew');
  });

  it('is not taken for a value in another row', async () => {
    const store = processWith(SEALED);
    await store.set(KEY, Buffer.from('of alice'), DAY);
    await store.set('mallory', Buffer.from('of mallory'), DAY);
    const [ofAlice, ofMallory] = [...rows.rows.keys()] as [string, string];
    rows.rows.set(ofMallory, rows.rows.get(ofAlice)!);
    await expect(store.get('mallory')).rejects.toThrow(new UnopenableValue('damaged'));
  });
});

describe('what is renewed, and never written again', () => {
  it.each([
    ['is sealed with the new key', SEALED, 'value b, value a, row a', 'value b, row a'],
    ['lies in its new row', SEALED, 'value a, row b, row a', 'value a, row b'],
    ['stays where everybody looks for it', SEALED, 'value a, next-row b, row a', SEALED],
  ])('%s', async (_, first, change, last) => {
    await processWith(first).set(KEY, Buffer.from('one'), DAY);
    expect(text(await processWith(change).touch(KEY, DAY))).toBe('one');
    expect(text(await processWith(last).get(KEY))).toBe('one');
  });

  it('is encrypted from the moment on at which all are', async () => {
    await unsealed.set(KEY, Buffer.from('one'), DAY);
    await processWith(SEALED, before).touch(KEY, DAY);
    expect(rows.present()).toEqual([KEY]);
    await processWith(SEALED, window).touch(KEY, DAY);
    expect(text(await processWith(SEALED).get(KEY))).toBe('one');
  });

  it('hides nothing that is written meanwhile by who does not encrypt yet', async () => {
    const early = processWith(SEALED, before);
    await unsealed.set(KEY, Buffer.from('one'), DAY);
    rows.beforeWrite = async () => {
      rows.beforeWrite = undefined;
      await early.set(KEY, Buffer.from('two'), DAY);
    };
    const late = processWith(SEALED, window);
    await late.touch(KEY, DAY);
    expect(text(await late.get(KEY))).toBe('two');
  });

  it('is logged out by a delete that comes meanwhile', async () => {
    const store = processWith(SEALED, window);
    rows.delayMs = 5;
    for (let i = 0; i < 100; i++) {
      const key = `${KEY}${i}`;
      await unsealed.set(key, Buffer.from('one'), DAY);
      await Promise.all([store.touch(key, DAY), store.delete(key), store.touch(key, DAY)]);
      expect(await store.get(key)).toBeUndefined();
    }
  });
});

describe('a change of keys', () => {
  it('leaves what the key before sealed readable, until it is written anew', async () => {
    await processWith(SEALED).set(KEY, Buffer.from('one'), DAY);
    const after = processWith('value b, value a, row a');
    expect(text(await after.get(KEY))).toBe('one');
    await after.set(KEY, Buffer.from('two'), DAY);
    expect(text(await after.get(KEY))).toBe('two');
    expect(await reads()).toEqual({ 'unencrypted none': 0, 'a b': 1, 'a a': 1 });
  });

  it.each([
    ['plain rows, before sealing', 'value a, row a', before],
    ['a row that comes next', 'value a, next-row b, row a', {}],
  ])('has processes before and after it see the same session: %s', async (_, keys, phase) => {
    const early = processWith(keys, phase);
    const late = processWith(keys.replace('next-', ''), phase === before ? window : {});
    for (const [writer, value] of [
      [early, 'one'],
      [late, 'two'],
      [early, 'three'],
      [late, 'four'],
    ] as const) {
      await writer.set(KEY, Buffer.from(value), DAY);
      for (const reader of [early, late]) expect(text(await reader.get(KEY))).toBe(value);
    }
    await early.delete(KEY);
    expect(await late.get(KEY)).toBeUndefined();
    expect(rows.present()).toEqual([]);
    for (const value of ['one', 'two'])
      await [early, late][Number(value === 'two')]!.set(KEY, Buffer.from(value), DAY);
    await late.delete(KEY);
    expect(await early.get(KEY)).toBeUndefined();
    expect(rows.present()).toEqual([]);
  });
});

describe('rows of before', () => {
  beforeEach(() => unsealed.set(KEY, Buffer.from('of before'), DAY));

  it('are read within the window, and counted', async () => {
    expect(text(await processWith(SEALED, window).get(KEY))).toBe('of before');
    expect(await reads()).toMatchObject({ 'unencrypted none': 1 });
  });

  it.each([
    ['without a window', {}],
    ['past it', { read_unencrypted_until: PAST }],
  ])('are nothing %s', async (_, past) => {
    expect(await processWith(SEALED, past).get(KEY)).toBeUndefined();
  });

  it('are hidden by what is written, and go with it', async () => {
    const store = processWith(SEALED, window);
    await store.set(KEY, Buffer.from('sealed'), DAY);
    expect(text(await store.get(KEY))).toBe('sealed');
    await store.delete(KEY);
    expect(rows.present()).toEqual([]);
  });

  it('are deleted past the window too, as the clock of another process may be slow', async () => {
    await processWith(SEALED, { read_unencrypted_until: PAST }).delete(KEY);
    expect(rows.present()).toEqual([]);
  });

  it('are not to be had by the name of a row of ours', async () => {
    await processWith(SEALED).set('bob', Buffer.from('of bob'), DAY);
    const row = rows.present().find((each) => each.startsWith('kask:row:'))!;
    const store = processWith(SEALED, before);
    expect(await store.get(row)).toBeUndefined();
    await store.set(row, Buffer.from('of mallory'), DAY);
    await store.delete(row);
    expect(text(await store.get('bob'))).toBe('of bob');
  });
});

describe('an outage', () => {
  const sealedRow = (row: string): boolean => row.startsWith('kask:row:');
  const plainRow = (row: string): boolean => !sealedRow(row);

  it.each([
    ['sealed rows', sealedRow],
    ['plain rows', plainRow],
  ])('of %s is no absent session, and no deleted one', async (_, failing) => {
    rows.failing = failing;
    const store = processWith(SEALED, window);
    await expect(store.get(KEY)).rejects.toThrow(StorageError);
    await expect(store.delete(KEY)).rejects.toThrow(StorageError);
  });

  it('of plain rows does not keep a logout from the sealed one', async () => {
    const store = processWith(SEALED, window);
    await store.set(KEY, Buffer.from('sealed'), DAY);
    rows.failing = plainRow;
    await expect(store.delete(KEY)).rejects.toThrow(StorageError);
    expect(rows.present()).toEqual([]);
  });

  it('amid a write of a process that does not seal yet leaves the value of before', async () => {
    await processWith(SEALED, window).set(KEY, Buffer.from('sealed'), DAY);
    const store = processWith(SEALED, before);
    rows.failing = sealedRow;
    await expect(store.set(KEY, Buffer.from('plain'), DAY)).rejects.toThrow(StorageError);
    rows.failing = () => false;
    expect(text(await store.get(KEY))).toBe('sealed');
  });
});

describe('processes in every phase at once', () => {
  const CLIENTS = 12;
  const CALLS = 150;
  const STATUS = { GET: 200, PUT: 201, DELETE: 204 };

  it('never read an older value than was acknowledged, nor one that was deleted', async () => {
    rows.delayMs = 4;
    const phases = ['value a, value b, next-row b, row a', 'value b, value a, row b, row a'];
    const processes = [before, window].flatMap((each) => phases.map((keys) => processWith(keys, each)));
    const history = new History({ ...onCassandra(DAY * 1_000), seed: 0, frozen: [], clockSkewMs: 0 });
    await Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(`c${i}`, processes, history)));
    const { violations, facts } = judge(history);
    expect(violations.filter(breaksPromise)).toEqual([]);
    expect(facts.lost).toBeGreaterThan(CALLS);
  });

  /**
   * Whether a read missed what was acknowledged before it began, and began after what it found had ended. Not the judge's word
   * alone: a read that overlaps a PUT and a DELETE may see half of each, as they touch several rows, and the judge takes what it
   * found for their order, in which later reads need not see them.
   */
  function breaksPromise({ calls }: Violation): boolean {
    const writes = calls.filter(({ operation }) => operation !== 'GET');
    return calls
      .filter(({ operation }) => operation === 'GET')
      .some((read) => {
        const isFound = (write: Call): boolean =>
          read.value === undefined
            ? write.operation === 'DELETE' && write.start <= read.end
            : write.value === read.value;
        const found = writes.find(isFound);
        return writes.some((write) => write.end <= read.start && write.start >= (found?.end ?? 0));
      });
  }

  async function client(name: string, processes: SealedSessionStore[], history: History): Promise<void> {
    for (let i = 0; i < CALLS; i++) {
      const store = processes[Math.floor(Math.random() * processes.length)]!;
      const operation = (['GET', 'GET', 'GET', 'PUT', 'PUT', 'DELETE'] as const)[
        Math.floor(Math.random() * 6)
      ]!;
      const key = `key${Math.floor(Math.random() * 4)}`;
      const start = performance.now();
      const value = operation === 'PUT' ? history.nextValue() : undefined;
      const found = await perform(store, operation, key, value);
      const isMiss = operation === 'GET' && found === undefined;
      const call: Omit<Call, 'end' | 'outcome'> = {
        client: name,
        datacenter: 'eqiad',
        operation,
        key,
        value: operation === 'GET' ? found : value,
        start,
        status: isMiss ? 404 : STATUS[operation],
      };
      history.record(call);
    }
  }

  async function perform(
    store: SealedSessionStore,
    operation: Call['operation'],
    key: string,
    value: number | undefined,
  ): Promise<number | undefined> {
    if (operation === 'PUT') await store.set(key, Buffer.from(String(value)), DAY);
    else if (operation === 'DELETE') await store.delete(key);
    else {
      const found = await store.get(key);
      return found && Number(text(found));
    }
    return undefined;
  }
});
