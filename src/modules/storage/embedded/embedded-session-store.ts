import { mkdirSync } from 'node:fs';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { type Database, open, type RootDatabase } from 'lmdb';
import { Settings } from '../../../config/settings.js';
import { Metrics } from '../../metrics/metrics.js';
import { SessionStore } from '../session-store.js';
import { StorageError } from '../storage-error.js';
import { decodeRecord, encodeRecord, expiryKey, expiryOf, NEVER, sessionOfExpiryKey } from './record.js';

/** Sessions cleared away in one transaction: a sweep holds the write lock, and so every writer, for about 10 ms. */
const SWEEP_STEP = 500;
const SWEEP_INTERVAL_MS = 1_000;

type Bytes = Database<Buffer, Buffer>;

/**
 * Sessions in an LMDB file: for one service process, from a laptop to a small wiki. LMDB commits the writes of one
 * turn of the event loop together and resolves each when they are on disk, so `kill -9` loses nothing that was
 * answered.
 */
@Injectable()
export class EmbeddedSessionStore extends SessionStore implements OnApplicationShutdown {
  private readonly root: RootDatabase<Buffer, Buffer>;
  private readonly sessions: Bytes;
  /** An entry for each expiry, by time: what a sweep walks. May hold stale entries, never lacks one. */
  private readonly expiries: Bytes;
  private readonly sweeper: NodeJS.Timeout;
  private sweeping: Promise<void> = Promise.resolve();

  constructor(
    settings: Settings,
    metrics: Metrics,
    private readonly logger: PinoLogger,
  ) {
    super();
    const directory = settings.embedded.path;
    this.root = openAlone(directory);
    this.sessions = this.root.openDB({ name: 'sessions', keyEncoding: 'binary', encoding: 'binary' });
    this.expiries = this.root.openDB({ name: 'expiries', keyEncoding: 'binary', encoding: 'binary' });
    const expired = metrics.counter('kask_embedded_expired_total', 'Expired sessions that were cleared away');
    metrics.gauge(
      'kask_embedded_sessions',
      'Sessions in the file, expired ones that wait to be cleared included',
      () => this.count(),
    );
    this.sweeper = setInterval(() => {
      this.sweeping = this.sweeping
        .then(async () => expired.inc(await this.sweep()))
        .catch((error: unknown) => this.sweepFailed(error));
    }, SWEEP_INTERVAL_MS).unref();
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a throw has to be a rejection
  async get(key: string): Promise<Buffer | undefined> {
    const record = this.sessions.getBinary(Buffer.from(key));
    return record && decodeRecord(record, Date.now());
  }

  async set(key: string, value: Buffer, ttlSeconds: number): Promise<void> {
    const session = Buffer.from(key);
    const expiresAt = ttlSeconds === 0 ? NEVER : Date.now() + ttlSeconds * 1000;
    await this.commit(() => {
      this.forgetExpiry(session);
      void this.sessions.put(session, encodeRecord(value, expiresAt));
      if (expiresAt !== NEVER) void this.expiries.put(expiryKey(expiresAt, session), Buffer.alloc(0));
    });
  }

  async delete(key: string): Promise<void> {
    const session = Buffer.from(key);
    await this.commit(() => {
      this.forgetExpiry(session);
      void this.sessions.remove(session);
    });
  }

  async probe(): Promise<void> {
    await this.get('kask:probe');
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.sweeper);
    await this.sweeping;
    await this.root.close();
  }

  private count(): number {
    return (this.sessions.getStats() as { entryCount: number }).entryCount;
  }

  /** Runs writes as one atomic group; resolves when they are on disk. */
  private async commit(writes: () => void): Promise<void> {
    try {
      await this.root.batch(writes);
    } catch (error) {
      throw asStorageError(error);
    }
  }

  /**
   * A session that is rewritten all day would leave an entry for each time. Of writes to one key that race, the later
   * may miss the entry of the earlier: it is stale, and a sweep drops it.
   */
  private forgetExpiry(session: Buffer): void {
    const record = this.sessions.getBinary(session);
    const expiresAt = record ? expiryOf(record) : NEVER;
    if (expiresAt !== NEVER) void this.expiries.remove(expiryKey(expiresAt, session));
  }

  /** Clears expired sessions away, in steps between which others write. */
  private async sweep(): Promise<number> {
    let cleared = 0;
    for (;;) {
      const due = [...this.expiries.getKeys({ end: expiryKey(Date.now()), limit: SWEEP_STEP })].map((key) =>
        Buffer.from(key),
      );
      if (due.length === 0) return cleared;
      cleared += await this.root.transaction(() => this.clear(due));
    }
  }

  /** Inside a transaction: what it reads nobody can change before it commits. */
  private clear(due: Buffer[]): number {
    let cleared = 0;
    for (const entry of due) {
      const session = sessionOfExpiryKey(entry);
      const record = this.sessions.getBinary(session);
      if (record && decodeRecord(record, Date.now()) === undefined) {
        void this.sessions.remove(session);
        cleared++;
      }
      void this.expiries.remove(entry);
    }
    return cleared;
  }

  private sweepFailed(error: unknown): void {
    this.logger.warn({
      msg: 'expired sessions could not be cleared away',
      reason: asStorageError(error).reason,
    });
  }
}

/** LMDB lets many processes write one file; a second service there would be a mistake of the operator's. */
function openAlone(directory: string): RootDatabase<Buffer, Buffer> {
  mkdirSync(directory, { recursive: true });
  const root = open<Buffer, Buffer>({
    path: directory,
    keyEncoding: 'binary',
    encoding: 'binary',
    maxDbs: 2,
    // Otherwise a commit is visible, and its promise resolved, before it is on disk.
    overlappingSync: false,
  });
  root.get(Buffer.from('lock')); // takes this process's place in the list of readers
  root.readerCheck(); // drops the places of processes that died
  const others = readerPids(root.readerList()).filter((pid) => pid !== process.pid);
  if (others.length === 0) return root;
  void root.close();
  throw new Error(`${directory} is in use by process ${others.join(', ')}; one service at a time may use it`);
}

function readerPids(list: string): number[] {
  return [...list.matchAll(/^\s*(\d+)\s/gm)].map(([, pid]) => Number(pid));
}

function asStorageError(error: unknown): StorageError {
  const cause =
    error instanceof Error && 'commitError' in error ? (error.commitError as Error) : (error as Error);
  return new StorageError('unavailable', `the embedded store cannot write: ${cause.message}`, { cause });
}
