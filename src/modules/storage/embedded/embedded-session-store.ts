import path from 'node:path';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { Settings } from '../../../config/settings.js';
import type { RequestTrace } from '../../../tracing/request-trace.js';
import { Metrics } from '../../metrics/metrics.js';
import {
  type Condition,
  holds,
  PROBE_KEY,
  type Renewal,
  type Session,
  SessionStore,
} from '../session-store.js';
import { StorageError } from '../storage-error.js';
import { inTime, storageTimeoutMs } from '../storage-timeout.js';
import { DiskRoom } from './disk-room.js';
import type { Draft } from './draft.js';
import { type Environment, openEnvironment } from './environment.js';
import { ExpirySweeper } from './expiry-sweeper.js';
import { describeFailure, isBeyondUse } from './failure.js';
import { GroupCommit } from './group-commit.js';
import { expiryOf, isExpired, NEVER, valueOf } from './record.js';

/** EX_IOERR of sysexits.h. */
const EXIT_BEYOND_USE = 74;

const LATE = 'the disk of the embedded store did not take a write in time; it may still do so';

/**
 * Sessions in an LMDB file: for one service process, from a laptop to a small wiki. Reads are of memory; writes are
 * committed in groups and resolve when they are on disk, so `kill -9` loses nothing that was answered.
 */
@Injectable()
export class EmbeddedSessionStore extends SessionStore implements OnApplicationShutdown {
  private readonly timeoutMs: number;
  private readonly directory: string;
  private readonly environment: Environment;
  private readonly commits: GroupCommit;
  private readonly sweeper: ExpirySweeper;

  constructor(
    settings: Settings,
    metrics: Metrics,
    private readonly logger: PinoLogger,
  ) {
    super();
    this.timeoutMs = storageTimeoutMs(settings);
    this.directory = path.resolve(settings.embedded.path);
    this.environment = openEnvironment(this.directory);
    this.commits = new GroupCommit(this.environment, new DiskRoom(this.environment, this.directory));
    const expired = metrics.counter('kask_embedded_expired_total', 'Expired sessions that were cleared away');
    metrics.gauge(
      'kask_embedded_sessions',
      'Sessions in the file, expired ones that wait to be cleared included',
      () => this.count(),
    );
    this.sweeper = new ExpirySweeper(this.environment, this.commits, {
      cleared: (sessions) => expired.inc(sessions),
      failed: (error) => this.sweepFailed(error),
    });
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a throw has to be a rejection
  async get(key: string): Promise<Session | undefined> {
    const record = this.read(Buffer.from(key));
    return record && sessionOf(record, Date.now());
  }

  set(key: string, value: Buffer, ttlSeconds: number, hiding: readonly string[] = []): Promise<void> {
    const session = Buffer.from(key);
    const now = Date.now();
    return this.write((draft, room) => {
      room.takeForAdding(value.length);
      draft.set(session, value, expiryAfter(ttlSeconds, now), now);
      for (const other of hiding) draft.delete(Buffer.from(other));
    });
  }

  delete(key: string, hidden: readonly string[] = []): Promise<void> {
    return this.write((draft, room) => {
      room.takeForClearing(1 + hidden.length);
      for (const each of [...hidden, key]) draft.delete(Buffer.from(each));
    });
  }

  async touch(
    key: string,
    ttlSeconds: number,
    _trace?: RequestTrace,
    renewalOf?: (value: Buffer) => Renewal | undefined,
  ): Promise<Session | undefined> {
    return (await this.renew(key, 'any', ttlSeconds, renewalOf)) || undefined;
  }

  setIf(key: string, condition: Condition, value: Buffer, ttlSeconds: number): Promise<boolean> {
    const session = Buffer.from(key);
    return this.write((draft, room) => {
      const now = Date.now();
      if (!holds(condition, valueIn(draft, session, now))) return false;
      room.takeForAdding(value.length);
      draft.set(session, value, expiryAfter(ttlSeconds, now), now);
      return true;
    });
  }

  touchIf(key: string, condition: Condition, ttlSeconds: number): Promise<Session | undefined | false> {
    return this.renew(key, condition, ttlSeconds);
  }

  deleteIf(key: string, condition: Condition): Promise<boolean> {
    const session = Buffer.from(key);
    return this.write((draft, room) => {
      if (!holds(condition, valueIn(draft, session, Date.now()))) return false;
      room.takeForClearing(1);
      draft.delete(session);
      return true;
    });
  }

  async adopt(key: string, value: Buffer, ttlSeconds: number): Promise<void> {
    await this.setIf(key, 'absent', value, ttlSeconds);
  }

  async probe(): Promise<void> {
    await this.get(PROBE_KEY);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.sweeper.stop();
    await this.commits.idle();
    await this.environment.root.close();
  }

  private renew(
    key: string,
    condition: Condition,
    ttlSeconds: number,
    renewalOf?: (value: Buffer) => Renewal | undefined,
  ): Promise<Session | undefined | false> {
    return this.write((draft, room) => {
      const now = Date.now();
      const value = valueIn(draft, Buffer.from(key), now);
      if (!value) return undefined;
      if (!holds(condition, value)) return false;
      const renewal = renewalOf?.(value) ?? { key, value };
      const target = Buffer.from(renewal.key);
      // A touch loses against what was written there since somebody looked.
      if (renewal.key !== key && valueIn(draft, target, now)) return { value, ttlSeconds };
      room.takeForAdding(renewal.value.length);
      draft.set(target, renewal.value, expiryAfter(ttlSeconds, now), now);
      return { value, ttlSeconds };
    });
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

  /** Resolves with what the change did, once it is on disk. */
  private async write<T>(change: (draft: Draft, room: DiskRoom) => T): Promise<T> {
    let did: T | undefined;
    const make = (draft: Draft, room: DiskRoom): void => void (did = change(draft, room));
    try {
      await inTime(this.commits.write(make), this.timeoutMs, LATE);
      return did as T;
    } catch (error) {
      this.commits.withdraw(make); // or a disk that hangs would fill the memory with what was answered
      throw this.failure('write', error);
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

  private sweepFailed(error: unknown): void {
    const { reason } = this.failure('write', error);
    this.logger.warn({ msg: 'expired sessions could not be cleared away', reason });
  }
}

function expiryAfter(ttlSeconds: number, now: number): number {
  return ttlSeconds === 0 ? NEVER : now + ttlSeconds * 1000;
}

function sessionOf(record: Buffer, now: number): Session | undefined {
  if (isExpired(record, now)) return undefined;
  const expiresAt = expiryOf(record);
  return {
    value: valueOf(record),
    ttlSeconds: expiresAt === NEVER ? 0 : Math.ceil((expiresAt - now) / 1000),
  };
}

function valueIn(draft: Draft, session: Buffer, now: number): Buffer | undefined {
  const record = draft.recordOf(session);
  return record && !isExpired(record, now) ? valueOf(record) : undefined;
}
