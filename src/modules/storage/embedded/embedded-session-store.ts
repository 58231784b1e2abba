import path from 'node:path';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { Settings } from '../../../config/settings.js';
import { Metrics } from '../../metrics/metrics.js';
import { SessionStore } from '../session-store.js';
import { StorageError } from '../storage-error.js';
import { DiskRoom } from './disk-room.js';
import { type Environment, openEnvironment } from './environment.js';
import { ExpirySweeper } from './expiry-sweeper.js';
import { causeOf, describeFailure, isBeyondUse } from './failure.js';
import { encodeRecord, expiryKey, expiryOf, isExpired, NEVER, valueOf } from './record.js';

/** EX_IOERR of sysexits.h. */
const EXIT_BEYOND_USE = 74;

/**
 * Sessions in an LMDB file: for one service process, from a laptop to a small wiki. LMDB commits writes that come
 * together as one group and resolves each when it is on disk, so `kill -9` loses nothing that was answered.
 */
@Injectable()
export class EmbeddedSessionStore extends SessionStore implements OnApplicationShutdown {
  private readonly directory: string;
  private readonly environment: Environment;
  private readonly room: DiskRoom;
  private readonly sweeper: ExpirySweeper;

  constructor(
    settings: Settings,
    metrics: Metrics,
    private readonly logger: PinoLogger,
  ) {
    super();
    this.directory = path.resolve(settings.embedded.path);
    this.environment = openEnvironment(this.directory);
    this.room = new DiskRoom(this.environment, this.directory);
    const expired = metrics.counter('kask_embedded_expired_total', 'Expired sessions that were cleared away');
    metrics.gauge(
      'kask_embedded_sessions',
      'Sessions in the file, expired ones that wait to be cleared included',
      () => this.count(),
    );
    this.sweeper = new ExpirySweeper(this.environment, this.room, {
      cleared: (sessions) => expired.inc(sessions),
      failed: (error) => void this.sweepFailed(error),
    });
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a throw has to be a rejection
  async get(key: string): Promise<Buffer | undefined> {
    const record = this.read(Buffer.from(key));
    return record && !isExpired(record, Date.now()) ? valueOf(record) : undefined;
  }

  async set(key: string, value: Buffer, ttlSeconds: number): Promise<void> {
    const session = Buffer.from(key);
    const expiresAt = ttlSeconds === 0 ? NEVER : Date.now() + ttlSeconds * 1000;
    const { sessions, expiries } = this.environment;
    const put = (): void => {
      void sessions.put(session, encodeRecord(value, expiresAt));
      if (expiresAt !== NEVER) void expiries.put(expiryKey(expiresAt, session), Buffer.alloc(0));
    };
    await this.room.forAdding(value.length, () => this.replace(session, put));
  }

  async delete(key: string): Promise<void> {
    const session = Buffer.from(key);
    const remove = (): void => void this.environment.sessions.remove(session);
    await this.room.forClearing(1, () => this.replace(session, remove));
  }

  async probe(): Promise<void> {
    await this.get('kask:probe');
  }

  async onApplicationShutdown(): Promise<void> {
    await this.sweeper.stop();
    await this.environment.root.close();
  }

  private count(): number {
    return (this.environment.sessions.getStats() as { entryCount: number }).entryCount;
  }

  private read(session: Buffer): Buffer | undefined {
    try {
      return this.environment.sessions.getBinary(session);
    } catch (error) {
      throw this.failure('read', error);
    }
  }

  /**
   * Changes a session and drops its old entry among the expiries, in one atomic batch; resolves when it is on disk.
   * A session that is rewritten all day would leave an entry for each time. Of writes to one key that race, the
   * later may miss the entry of the earlier: it is stale, and a sweep drops it.
   */
  private async replace(session: Buffer, change: () => void): Promise<void> {
    const { root, expiries } = this.environment;
    const before = this.read(session);
    const expiresAt = before ? expiryOf(before) : NEVER;
    try {
      await root.batch(() => {
        if (expiresAt !== NEVER) void expiries.remove(expiryKey(expiresAt, session));
        change();
      });
    } catch (error) {
      throw this.failure('write', await causeOf(error));
    }
  }

  private failure(operation: 'read' | 'write', cause: unknown): StorageError {
    if (cause instanceof StorageError) return cause;
    const reason = `the embedded store cannot ${operation}: ${describeFailure(cause, this.directory)}`;
    if (isBeyondUse(cause)) this.giveUp(reason);
    return new StorageError('unavailable', reason, { cause });
  }

  /** What is on disk is whole; whoever supervises this process starts the one that opens it again. */
  private giveUp(reason: string): void {
    this.logger.fatal({ msg: 'exiting, as only a new process can open the embedded store again', reason });
    process.exit(EXIT_BEYOND_USE);
  }

  private async sweepFailed(error: unknown): Promise<void> {
    const { reason } = this.failure('write', await causeOf(error));
    this.logger.warn({ msg: 'expired sessions could not be cleared away', reason });
  }
}
