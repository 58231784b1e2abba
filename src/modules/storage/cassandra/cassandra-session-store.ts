import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { RequestTrace } from '../../../tracing/request-trace.js';
import { type Condition, PROBE_KEY, type Renewal, type Session, SessionStore } from '../session-store.js';
import { StorageError } from '../storage-error.js';
import { isForGood } from './cassandra-errors.js';
import { CassandraService } from './cassandra.service.js';
import { ConditionalWrites } from './conditional-writes.js';
import type { Execution, Row } from './lane/execution.js';
import { PendingDeletes } from './pending-deletes.js';
import { Timestamps } from './timestamps.js';

/** Of the time for a delete, what every datacenter may take; the rest is for the one that we are in. */
const SHARE_OF_ALL_DATACENTERS = 0.8;
/** What they may take while the last delete had no answer in time, in ms: enough for two who are well. */
const SUSPECTED_MS = 300;
/** What the delete of a row may take, in ms, before that of the row that hides it begins as well. */
const HEAD_START_MS = 100;
/** What a delete is tried as once not every datacenter has it, and what is then told of it. */
const NEARBY = [
  ['deleteLocally', 'it took effect in this datacenter'],
  ['deleteAtOne', 'it reached a replica at least'],
] as const;

/** Sessions in the table that production has: `key text PRIMARY KEY, value blob`. */
@Injectable()
export class CassandraSessionStore extends SessionStore {
  constructor(
    private readonly cassandra: CassandraService,
    private readonly pendingDeletes: PendingDeletes,
    private readonly timestamps: Timestamps,
    private readonly conditionalWrites: ConditionalWrites,
  ) {
    super();
  }

  get(key: string, trace?: RequestTrace): Promise<Session | undefined> {
    return this.run({ statement: 'get', key: Buffer.from(key), timestamp: this.timestamps.next() }, trace);
  }

  async set(
    key: string,
    value: Buffer,
    ttlSeconds: number,
    hiding: readonly string[] = [],
    trace?: RequestTrace,
  ): Promise<void> {
    const timestamp = this.timestamps.next();
    await this.run({ statement: 'set', key: Buffer.from(key), value, ttlSeconds, timestamp }, trace);
    // A read is cheaper than a delete in every datacenter, and mostly there is nothing.
    for (const each of hiding) if (await this.get(each, trace)) await this.deleteAt(timestamp, each, trace);
  }

  /** One after the other, as who reads meanwhile would see what was hidden; but none waits for long. */
  async delete(key: string, hidden: readonly string[] = [], trace?: RequestTrace): Promise<void> {
    const timestamp = this.timestamps.next();
    if (hidden.length === 0) return this.deleteAt(timestamp, key, trace);
    const deletes: Promise<void>[] = [];
    for (const each of [...hidden, key]) {
      deletes.push(this.deleteAt(timestamp, each, trace));
      await Promise.race([Promise.allSettled(deletes), sleep(HEAD_START_MS)]);
    }
    await Promise.all(deletes);
  }

  /**
   * Writes what is there once more, a microsecond later than that was: every write and delete that is newer than what
   * was read wins over it, whichever comes first to a replica (ADR 0013).
   */
  async touch(
    key: string,
    ttlSeconds: number,
    trace?: RequestTrace,
    renewalOf?: (value: Buffer) => Renewal | undefined,
  ): Promise<Session | undefined> {
    const deadline = performance.now() + this.cassandra.timeoutMs;
    const found = await this.getWritten(key, deadline, trace);
    if (!found) return undefined;
    const { value, writtenAt = 0 } = found;
    const renewal = renewalOf?.(value) ?? { key, value };
    const renewed = { ...renewal, key: Buffer.from(renewal.key), ttlSeconds, timestamp: writtenAt + 1 };
    await this.run({ statement: 'set', ...renewed }, trace, leftUntil(deadline));
    if (renewal.key !== key && (await this.isOvertaken(key, renewed.timestamp, deadline, trace)))
      await this.deleteAt(renewed.timestamp, renewal.key, trace);
    return { value, ttlSeconds };
  }

  setIf(
    key: string,
    condition: Condition,
    value: Buffer,
    ttlSeconds: number,
    trace?: RequestTrace,
  ): Promise<boolean> {
    return this.conditionalWrites.setIf(key, condition, value, ttlSeconds, trace);
  }

  touchIf(
    key: string,
    condition: Condition,
    ttlSeconds: number,
    trace?: RequestTrace,
  ): Promise<Session | undefined | false> {
    return this.conditionalWrites.touchIf(key, condition, ttlSeconds, trace);
  }

  deleteIf(key: string, condition: Condition, trace?: RequestTrace): Promise<boolean> {
    return this.conditionalWrites.deleteIf(key, condition, trace);
  }

  /** Milliseconds taken for microseconds: a time in 1970, older than every write of a service, and later each time. */
  async adopt(key: string, value: Buffer, ttlSeconds: number): Promise<void> {
    const timestamp = Date.now();
    await this.run({ statement: 'set', key: Buffer.from(key), value, ttlSeconds, timestamp });
  }

  async probe(): Promise<void> {
    try {
      await this.get(PROBE_KEY);
    } catch (error) {
      // Of a table that was dropped a statement that fails tells little.
      if (error instanceof StorageError && error.kind === 'unavailable') await this.cassandra.requireTable();
      throw error;
    }
  }

  private run(execution: Execution, trace?: RequestTrace, timeoutMs?: number): Promise<Row | undefined> {
    return this.cassandra.run(execution, timeoutMs, trace);
  }

  /**
   * Whether somebody has written where a session was that is renewed elsewhere. He deletes what hides his write, if he sees
   * it; and if he does not, his write is seen here.
   */
  private async isOvertaken(
    key: string,
    timestamp: number,
    deadline: number,
    trace?: RequestTrace,
  ): Promise<boolean> {
    const found = await this.getWritten(key, deadline, trace);
    return (found?.writtenAt ?? 0) > timestamp;
  }

  /** With when it was written. */
  private getWritten(key: string, deadline: number, trace?: RequestTrace): Promise<Row | undefined> {
    const timestamp = this.timestamps.next();
    return this.run(
      { statement: 'getWritten', key: Buffer.from(key), timestamp },
      trace,
      leftUntil(deadline),
    );
  }

  /** One timestamp for all tries, now and later, so that none of them deletes what is written after this. */
  private async deleteAt(timestamp: number, key: string, trace?: RequestTrace): Promise<void> {
    const removal = { key: Buffer.from(key), timestamp };
    const deadline = performance.now() + this.cassandra.timeoutMs;
    try {
      await this.run({ statement: 'delete', ...removal }, trace, this.patienceMs());
    } catch (error) {
      if (!mayBeRepeated(error)) throw error;
      this.pendingDeletes.remember(key, removal.timestamp, error);
      throw new StorageError('delete_pending', await this.deleteNearby(removal, deadline, trace), {
        cause: error,
      });
    }
    this.pendingDeletes.acknowledged(key, removal.timestamp);
  }

  /** That the other datacenter is back, the repeats of what is pending find out. */
  private patienceMs(): number {
    const patience = this.cassandra.timeoutMs * SHARE_OF_ALL_DATACENTERS;
    return Math.ceil(this.pendingDeletes.timedOut ? Math.min(patience, SUSPECTED_MS) : patience);
  }

  /** Tells how far it came. */
  private async deleteNearby(
    removal: Omit<Execution, 'statement'>,
    deadline: number,
    trace?: RequestTrace,
  ): Promise<string> {
    for (const [statement, effect] of NEARBY) {
      try {
        await this.run({ statement, ...removal }, trace, leftUntil(deadline));
        return effect;
      } catch (error) {
        if (!mayBeRepeated(error)) throw error;
        if (error.kind === 'timeout') break;
      }
    }
    return 'it may have taken effect nowhere yet';
  }
}

/** In ms, for something that may be answered at once. */
function leftUntil(deadline: number): number {
  return Math.max(1, Math.ceil(deadline - performance.now()));
}

function mayBeRepeated(error: unknown): error is StorageError {
  return (
    error instanceof StorageError &&
    (error.kind === 'unavailable' || error.kind === 'timeout') &&
    !isForGood(error)
  );
}
