import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PinoLogger } from 'nestjs-pino';
import { Registry } from 'prom-client';
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
    expect(await store.get('key')).toEqual(Buffer.from('value'));
  });

  it('has one entry of expiry for a session, however often it is written', async () => {
    for (const ttl of [DAY, 2 * DAY, DAY]) await store.set('key', Buffer.from('value'), ttl);
    expect(await rows()).toEqual({ sessions: ['key'], expiries: 1 });
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
    await sleep(2_100);
    expect(await metric('kask_embedded_sessions')).toBe(1);
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

  it('refuses a directory that is in use, also by itself', () => {
    expect(openStore).toThrow(StorageError);
    expect(openStore).toThrow(`${directory} is in use by process ${process.pid}`);
  });

  it('refuses a file of another format', async () => {
    await store.onApplicationShutdown();
    const environment = openEnvironment(directory);
    await environment.root.put(Buffer.from('format'), Buffer.from('2'));
    await environment.root.close();
    expect(openStore).toThrow(`${directory} has format 2, and this version of the service reads format 1`);
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
