import fs, { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PinoLogger } from 'nestjs-pino';
import { Registry } from 'prom-client';
import { eventually } from '../../../../test/harness/cassandra/poll.js';
import { Settings } from '../../../config/settings.js';
import { Metrics } from '../../metrics/metrics.js';
import { StorageError } from '../storage-error.js';
import { EmbeddedSessionStore } from './embedded-session-store.js';
import { type Environment, openEnvironment } from './environment.js';

const DAY = 86_400;

describe('the embedded store', () => {
  let directory: string;
  let registry: Registry;
  let store: EmbeddedSessionStore;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'kask-store-'));
    store = openStore();
  });
  afterEach(async () => {
    await store.onApplicationShutdown();
    rmSync(directory, { recursive: true });
  });

  function openStore(): EmbeddedSessionStore {
    const settings = Object.assign(new Settings(), { embedded: { path: directory } });
    registry = new Registry();
    return new EmbeddedSessionStore(
      settings,
      new Metrics(registry),
      new PinoLogger({ pinoHttp: { level: 'silent' } }),
    );
  }

  /** What the file holds, seen past the store, which is closed. */
  async function rows(): Promise<{ sessions: string[]; expiries: number }> {
    await store.onApplicationShutdown();
    const environment = openEnvironment(directory);
    const sessions = [...environment.sessions.getKeys()].map(String).sort();
    const expiries = environment.expiries.getKeysCount();
    await environment.root.close();
    store = openStore();
    return { sessions, expiries };
  }

  /** Changes the file past the store. */
  async function change(edit: (environment: Environment) => void): Promise<void> {
    await store.onApplicationShutdown();
    const environment = openEnvironment(directory);
    await environment.root.transaction(() => edit(environment));
    await environment.root.close();
    store = openStore();
  }

  it('keeps what it holds when it is opened again', async () => {
    await store.set('key', Buffer.from('value'), DAY);
    await store.onApplicationShutdown();
    store = openStore();
    expect((await store.get('key'))?.value).toEqual(Buffer.from('value'));
  });

  it('has one entry of expiry for a session, however often it is written', async () => {
    for (const ttl of [DAY, 2 * DAY, DAY]) await store.set('key', Buffer.from('value'), ttl);
    expect(await rows()).toEqual({ sessions: ['key'], expiries: 1 });
  });

  it('moves the entry of a session whose expiry was put off when it comes to it', async () => {
    await store.set('key', Buffer.from('value'), 1);
    await store.set('key', Buffer.from('value'), 3);
    expect(await rows()).toEqual({ sessions: ['key'], expiries: 1 });
    await sleep(2_100);
    expect(await store.get('key')).toBeDefined();
    expect(await rows()).toEqual({ sessions: ['key'], expiries: 1 });
    await sleep(2_100);
    expect(await rows()).toEqual({ sessions: [], expiries: 0 });
  });

  it.each(['set', 'delete'] as const)('leaves no entry behind at a %s after that', async (operation) => {
    await store.set('key', Buffer.from('value'), 1);
    await store.set('key', Buffer.from('value'), DAY);
    await sleep(2_100);
    if (operation === 'delete') await store.delete('key');
    else await store.set('key', Buffer.from('value'), 2 * DAY);
    expect((await rows()).expiries).toBe(operation === 'delete' ? 0 : 1);
  });

  it('has none for a session that is deleted or never expires', async () => {
    await store.set('deleted', Buffer.from('value'), DAY);
    await store.delete('deleted');
    await store.set('lasting', Buffer.from('value'), DAY);
    await store.set('lasting', Buffer.from('value'), 0);
    expect(await rows()).toEqual({ sessions: ['lasting'], expiries: 0 });
  });

  it('keeps an entry for what many writers left of one session', async () => {
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        await sleep(i % 4);
        await (i % 5 === 4 ? store.delete('key') : store.set('key', Buffer.from('value'), DAY + i));
      }),
    );
    await store.set('key', Buffer.from('value'), 1);
    await sleep(2_100);
    expect(await rows()).toMatchObject({ sessions: [] });
  });

  it('clears expired sessions away and counts them', async () => {
    for (const key of ['a', 'b', 'c']) await store.set(key, Buffer.from('value'), 1);
    await store.set('lasting', Buffer.from('value'), DAY);
    expect(await metric('kask_embedded_sessions')).toBe(4);
    await eventually(async () => expect(await metric('kask_embedded_sessions')).toBe(1), 10_000);
    expect(await metric('kask_embedded_expired_total')).toBe(3);
    expect(await rows()).toEqual({ sessions: ['lasting'], expiries: 1 });
  });

  it('drops a stale entry of expiry, and not the session', async () => {
    await store.set('key', Buffer.from('value'), 1);
    const stale: Buffer[] = [];
    await change(({ expiries }) => stale.push(...[...expiries.getKeys()].map((key) => Buffer.from(key))));
    await store.set('key', Buffer.from('value'), DAY);
    await change(({ expiries }) => stale.forEach((entry) => void expiries.put(entry, Buffer.alloc(0))));
    await sleep(2_100);
    expect(await rows()).toEqual({ sessions: ['key'], expiries: 1 });
  });

  it('takes up a file of format 1, with all its sessions', async () => {
    const in1Second = Date.now() + 1_000;
    const tomorrow = Date.now() + DAY * 1_000;
    await change(({ root, sessions, expiries }) => {
      const old = (key: string, expiresAt: number): void => {
        const time = Buffer.alloc(8);
        time.writeBigUInt64BE(BigInt(expiresAt));
        void sessions.put(Buffer.from(key), Buffer.concat([time, Buffer.from('old')]));
        if (expiresAt > 0) void expiries.put(Buffer.concat([time, Buffer.from(key)]), Buffer.alloc(0));
      };
      old('brief', in1Second);
      old('put off', in1Second);
      ['read', 'rewritten', 'deleted'].forEach((key) => old(key, tomorrow));
      old('for good', 0);
      void root.put(Buffer.from('format'), Buffer.from('1'));
    });
    for (const key of ['brief', 'put off', 'read', 'rewritten', 'deleted', 'for good'])
      expect(String((await store.get(key))?.value)).toBe('old');

    await store.set('put off', Buffer.from('new'), DAY);
    await store.set('rewritten', Buffer.from('new'), 2 * DAY);
    await store.delete('deleted');
    await sleep(2_100);
    for (const key of ['put off', 'rewritten']) expect(String((await store.get(key))?.value)).toBe('new');
    expect(await store.get('brief')).toBeUndefined();
    expect(await rows()).toEqual({ sessions: ['for good', 'put off', 'read', 'rewritten'], expiries: 3 });
  });

  it('writes what waits before it closes', async () => {
    const writes = Array.from({ length: 1_000 }, (_, i) => store.set(`key${i}`, Buffer.from('value'), DAY));
    await store.onApplicationShutdown();
    await Promise.all(writes);
    store = openStore();
    expect(await metric('kask_embedded_sessions')).toBe(1_000);
  });

  it('refuses what does not fit on the disk, and stores what came with it', async () => {
    jest
      .spyOn(fs, 'statfsSync')
      .mockReturnValue({ bsize: 1024 * 1024, bavail: 70, blocks: 1_000 } as fs.StatsFs);
    const large = store.set('large', Buffer.alloc(8 * 1024 * 1024), DAY);
    const writes = [store.set('small', Buffer.from('value'), DAY), large, store.delete('other')];
    const results = await Promise.allSettled(writes);
    jest.restoreAllMocks();
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    await expect(large).rejects.toMatchObject({
      kind: 'unavailable',
      reason: 'the disk of the embedded store is full',
    });
    expect(await rows()).toMatchObject({ sessions: ['small'] });
  });

  it('refuses a directory that is in use, also by itself', () => {
    expect(openStore).toThrow(StorageError);
    expect(openStore).toThrow(`${directory} is in use by process ${process.pid}`);
  });

  it('refuses a file of another format', async () => {
    await store.onApplicationShutdown();
    const environment = openEnvironment(directory);
    await environment.root.put(Buffer.from('format'), Buffer.from('3'));
    await environment.root.close();
    expect(openStore).toThrow(`${directory} has format 3, and this version of the service reads format 2`);
    rmSync(directory, { recursive: true });
    store = openStore();
  });

  it('throws StorageErrors once it is closed', async () => {
    await store.onApplicationShutdown();
    await expect(store.get('key')).rejects.toThrow(StorageError);
    await expect(store.set('key', Buffer.from('value'), DAY)).rejects.toThrow(StorageError);
    await expect(store.probe()).rejects.toThrow(StorageError);
    store = openStore();
  });

  async function metric(name: string): Promise<number> {
    const text = await registry.metrics();
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
  }
});
