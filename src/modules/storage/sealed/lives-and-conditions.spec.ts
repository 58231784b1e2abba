import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PinoLogger } from 'nestjs-pino';
import { Registry } from 'prom-client';
import { SealingKeyFiles } from '../../../../test/harness/sealing-keys.js';
import { type EncryptionSettings, Settings } from '../../../config/settings.js';
import { Metrics } from '../../metrics/metrics.js';
import { type Condition, holds, type Session, SessionStore } from '../session-store.js';
import { SealedSessionStore } from './sealed-session-store.js';
import { UnopenableValue } from './sealed-value.js';

const DAY = 86_400;
const KEY = 'enwiki:MWSession:alice';
const ONE_PLACE = 'value a, row a';
const BEFORE = 'value a, next-row b, row a';
const AFTER = 'value a, row b, row a';
const isOne = (value: Buffer): boolean => value.toString() === 'one';

/** Of one process, whose time goes by when a test says so. */
class Rows extends SessionStore {
  readonly rows = new Map<string, Session>();

  get = (row: string): Promise<Session | undefined> => Promise.resolve(this.rows.get(row));
  set(row: string, value: Buffer, ttlSeconds: number, hiding: readonly string[] = []): Promise<void> {
    this.rows.set(row, { value, ttlSeconds });
    for (const each of hiding) this.rows.delete(each);
    return Promise.resolve();
  }
  touch = async (row: string, ttlSeconds: number): Promise<Session | undefined> =>
    (await this.touchIf(row, 'any', ttlSeconds)) || undefined;
  delete(row: string, hidden: readonly string[] = []): Promise<void> {
    for (const each of [row, ...hidden]) this.rows.delete(each);
    return Promise.resolve();
  }
  async setIf(row: string, condition: Condition, value: Buffer, ttlSeconds: number): Promise<boolean> {
    if (!holds(condition, this.rows.get(row)?.value)) return false;
    await this.set(row, value, ttlSeconds);
    return true;
  }
  touchIf(row: string, condition: Condition, ttlSeconds: number): Promise<Session | undefined | false> {
    const before = this.rows.get(row);
    if (!before) return Promise.resolve(undefined);
    if (!holds(condition, before.value)) return Promise.resolve(false);
    const after = { ...before, ttlSeconds };
    this.rows.set(row, after);
    return Promise.resolve(after);
  }
  async deleteIf(row: string, condition: Condition): Promise<boolean> {
    if (!holds(condition, this.rows.get(row)?.value)) return false;
    await this.delete(row);
    return true;
  }
  adopt = async (row: string, value: Buffer, ttlSeconds: number): Promise<void> =>
    void (await this.setIf(row, 'absent', value, ttlSeconds));
  probe = (): Promise<void> => Promise.resolve();

  pass(seconds: number): void {
    for (const [row, { value, ttlSeconds }] of this.rows) {
      if (ttlSeconds > seconds) this.rows.set(row, { value, ttlSeconds: ttlSeconds - seconds });
      else if (ttlSeconds > 0) this.rows.delete(row);
    }
  }
}

const directory = mkdtempSync(path.join(tmpdir(), 'kask-sealed-lives-'));
const keyFiles = new SealingKeyFiles();
const stores: SealedSessionStore[] = [];
let rows: Rows;

beforeEach(() => (rows = new Rows()));
afterEach(() => stores.splice(0).forEach((store) => store.onApplicationShutdown()));
afterAll(() => rmSync(directory, { recursive: true }));

function processWith(keys: string, encryption: Omit<EncryptionSettings, 'key_file'> = {}, settings = {}) {
  const key_file = path.join(directory, `keys-${stores.length}`);
  keyFiles.write(key_file, keys.split(', '));
  const store = new SealedSessionStore(
    rows,
    { key_file, ...encryption },
    Object.assign(new Settings(), settings),
    new Metrics(new Registry()),
    new PinoLogger({ pinoHttp: { level: 'silent' } }),
  );
  stores.push(store);
  return store;
}

const valueIn = async (store: SessionStore): Promise<string | undefined> =>
  (await store.get(KEY))?.value.toString();

describe('a life of its own', () => {
  it.each([
    ['that is shorter', DAY, {}],
    ['in place of one without an end', 0, { default_ttl: 0 }],
  ])('%s brings no value back that another row hid', async (_, ttlSeconds, settings) => {
    await processWith(ONE_PLACE, {}, settings).set(KEY, Buffer.from('old'), ttlSeconds);
    const after = processWith(AFTER, {}, settings);
    await after.set(KEY, Buffer.from('new'), 60);
    rows.pass(59);
    expect(await valueIn(after)).toBe('new');
    rows.pass(2);
    expect(await after.get(KEY)).toBeUndefined();
  });

  it('that a touch makes shorter brings none back either', async () => {
    await processWith(ONE_PLACE).set(KEY, Buffer.from('old'), DAY);
    const after = processWith(AFTER, { read_unencrypted_until: '9999-12-31' });
    await after.set(KEY, Buffer.from('new'), DAY);
    expect((await after.touch(KEY, 60))?.value.toString()).toBe('new');
    rows.pass(61);
    expect(await after.get(KEY)).toBeUndefined();
  });

  it('that outlives what is hidden costs that nothing', async () => {
    await processWith(ONE_PLACE).set(KEY, Buffer.from('old'), 100);
    await processWith(AFTER).set(KEY, Buffer.from('new'), DAY);
    expect([...rows.rows.values()].map(({ ttlSeconds }) => ttlSeconds)).toEqual([100, DAY]);
  });

  it('is renewed in whatever row the session is', async () => {
    await processWith(ONE_PLACE).set(KEY, Buffer.from('old'), 100);
    for (const keys of [BEFORE, AFTER]) {
      expect(await processWith(keys).touch(KEY, DAY)).toEqual({ value: Buffer.from('old'), ttlSeconds: DAY });
      rows.pass(50);
    }
    expect(await processWith(AFTER).touch('absent', DAY)).toBeUndefined();
  });
});

describe('a conditional write', () => {
  it('is judged by what was sealed', async () => {
    const store = processWith(ONE_PLACE);
    expect(await store.setIf(KEY, isOne, Buffer.from('two'), DAY)).toBe(false);
    expect(await store.setIf(KEY, 'absent', Buffer.from('one'), DAY)).toBe(true);
    expect(await store.setIf(KEY, 'absent', Buffer.from('two'), DAY)).toBe(false);
    expect(await store.touchIf(KEY, isOne, 60)).toEqual({ value: Buffer.from('one'), ttlSeconds: 60 });
    expect(await store.setIf(KEY, isOne, Buffer.from('two'), DAY)).toBe(true);
    expect(await store.touchIf(KEY, isOne, 60)).toBe(false);
    expect(await store.deleteIf(KEY, isOne)).toBe(false);
    expect(await valueIn(store)).toBe('two');
    expect(await store.deleteIf(KEY, 'any')).toBe(true);
    expect(await store.touchIf(KEY, isOne, 60)).toBeUndefined();
  });

  it('of what does not open is a fault of ours, unless it does not matter what it is', async () => {
    await processWith(ONE_PLACE).set(KEY, Buffer.from('one'), DAY);
    const other = processWith('value b, row a');
    await expect(other.setIf(KEY, isOne, Buffer.from('two'), DAY)).rejects.toThrow(UnopenableValue);
    await expect(other.deleteIf(KEY, isOne)).rejects.toThrow(UnopenableValue);
    expect(await other.setIf(KEY, 'any', Buffer.from('two'), DAY)).toBe(true);
    expect(await valueIn(other)).toBe('two');
  });

  it.each([
    ['row secrets change', BEFORE, {}],
    ['row secrets have changed', AFTER, {}],
    ['plain rows are read', ONE_PLACE, { read_unencrypted_until: '9999-12-31' }],
  ])('is refused while %s', async (_, keys, encryption) => {
    const store = processWith(keys, encryption);
    for (const attempt of [
      store.setIf(KEY, 'any', Buffer.from('one'), DAY),
      store.touchIf(KEY, 'any', DAY),
      store.deleteIf(KEY, 'any'),
    ])
      await expect(attempt).rejects.toThrow(expect.objectContaining({ kind: 'unavailable' }));
    expect(rows.rows.size).toBe(0);
  });
});

describe('what is adopted', () => {
  it.each([ONE_PLACE, BEFORE, AFTER])('is read, and hides nothing that there is: %s', async (keys) => {
    const store = processWith(keys);
    await store.adopt(KEY, Buffer.from('of before'), DAY);
    expect(await valueIn(store)).toBe('of before');
    rows.rows.clear();
    await processWith(ONE_PLACE).set(KEY, Buffer.from('newer'), DAY);
    await store.adopt(KEY, Buffer.from('of before'), DAY);
    expect(await valueIn(store)).toBe('newer');
  });
});
