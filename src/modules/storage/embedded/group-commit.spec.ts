import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DiskRoom } from './disk-room.js';
import { type Environment, openEnvironment } from './environment.js';
import { GroupCommit } from './group-commit.js';
import { valueOf } from './record.js';

const MEBIBYTE = 1024 * 1024;
const DAY = 86_400_000;

describe('a group commit', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-group-'));
  let environment: Environment;
  let commits: GroupCommit;
  let batch: jest.SpyInstance;

  beforeAll(() => {
    environment = openEnvironment(directory);
    commits = new GroupCommit(environment, new DiskRoom(environment, directory));
  });
  beforeEach(async () => {
    await environment.sessions.clearAsync();
    await environment.expiries.clearAsync();
    batch = jest.spyOn(environment.root, 'batch');
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(async () => {
    await environment.root.close();
    rmSync(directory, { recursive: true });
  });

  const set = (key: string, value: string | Buffer): Promise<void> =>
    commits.write((draft, room) => {
      room.takeForAdding(value.length);
      draft.set(Buffer.from(key), Buffer.from(value), Date.now() + DAY, Date.now());
    });
  const remove = (key: string): Promise<void> => commits.write((draft) => draft.delete(Buffer.from(key)));
  const stored = (key: string): string | undefined => {
    const record = environment.sessions.getBinary(Buffer.from(key));
    return record && String(valueOf(record));
  };
  const entries = (): number => environment.expiries.getKeysCount();

  it('writes what comes together at once', async () => {
    await Promise.all(Array.from({ length: 100 }, (_, i) => set(`key${i}`, `value${i}`)));
    expect(batch).toHaveBeenCalledTimes(1);
    expect([stored('key0'), stored('key99')]).toEqual(['value0', 'value99']);
    expect(entries()).toBe(100);
  });

  it('writes what comes during another next, all of it together', async () => {
    const first = set('first', 'value');
    while (batch.mock.calls.length === 0) await new Promise(setImmediate);
    const order: string[] = [];
    const writes = ['a', 'b', 'c'].map((key) => set(key, 'value').then(() => order.push(key)));
    await first.then(() => order.push('first'));
    await Promise.all(writes);
    expect(batch).toHaveBeenCalledTimes(2);
    expect(order).toEqual(['first', 'a', 'b', 'c']);
  });

  it('is of bounded size', async () => {
    await Promise.all(Array.from({ length: 12 }, (_, i) => set(`key${i}`, Buffer.alloc(8 * MEBIBYTE, i))));
    expect(batch).toHaveBeenCalledTimes(3);
    expect(entries()).toBe(12);
  });

  it('keeps the order of writes to one session', async () => {
    await Promise.all([
      set('key', 'first'),
      set('key', 'second'),
      remove('other'),
      set('other', 'set again'),
    ]);
    expect([stored('key'), stored('other'), entries()]).toEqual(['second', 'set again', 2]);
    await Promise.all([set('key', 'third'), remove('key'), remove('other'), set('other', 'again')]);
    expect([stored('key'), stored('other'), entries()]).toEqual([undefined, 'again', 1]);
    await Promise.all([set('key', 'fourth'), remove('key'), remove('other')]);
    expect([environment.sessions.getKeysCount(), entries()]).toEqual([0, 0]);
    expect(batch).toHaveBeenCalledTimes(3);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('not this one');
      },
    ],
    ['has an empty key', undefined],
  ])('goes on without a change that %s', async (_, change) => {
    const failing = change ? commits.write(change) : set('', 'value');
    const results = await Promise.allSettled([set('before', 'value'), failing, set('after', 'value')]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect([stored('before'), stored('after'), entries()]).toEqual(['value', 'value', 2]);
  });

  it('writes nothing for changes that fail all', async () => {
    await expect(set('', 'value')).rejects.toThrow();
    expect(batch).not.toHaveBeenCalled();
  });

  it('that fails tells everyone who waits why, and the next succeeds', async () => {
    const cause = new Error('Input/output error');
    batch.mockImplementationOnce(() => {
      const commitError = Promise.reject(cause);
      return Promise.reject(Object.assign(new Error('Commit failed'), { commitError }));
    });
    const results = await Promise.allSettled([set('a', 'value'), set('b', 'value'), remove('c')]);
    expect(results).toEqual(Array.from({ length: 3 }, () => ({ status: 'rejected', reason: cause })));
    await set('a', 'value');
    expect([stored('a'), stored('b')]).toEqual(['value', undefined]);
  });

  it('that fails is followed by those that came during it', async () => {
    batch.mockImplementationOnce(
      () => new Promise((_resolve, reject) => setTimeout(reject, 20, new Error('broken'))),
    );
    const failing = expect(set('a', 'value')).rejects.toThrow('broken');
    while (batch.mock.calls.length === 0) await new Promise(setImmediate);
    await Promise.all([failing, set('b', 'value')]);
    expect([stored('a'), stored('b')]).toEqual([undefined, 'value']);
  });

  it('is idle when nothing waits', async () => {
    let written = 0;
    for (let i = 0; i < 1_000; i++) void set(`key${i}`, 'value').then(() => written++);
    await commits.idle();
    expect(written).toBe(1_000);
    await commits.idle();
  });
});
