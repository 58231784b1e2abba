import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { RequestTrace } from '../../../tracing/request-trace.js';
import { PROBE_KEY, type Session, SessionStore } from '../session-store.js';
import { StorageError } from '../storage-error.js';
import { isForGood } from './cassandra-errors.js';
import { CassandraService } from './cassandra.service.js';
import type { Execution } from './lane/execution.js';
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
  ) {
    super();
  }

  async get(key: string, trace?: RequestTrace): Promise<Session | undefined> {
    const execution = { statement: 'get', key: Buffer.from(key), timestamp: this.timestamps.next() } as const;
    const value = await this.run(execution, trace);
    return value && { value, ttlSeconds: 0 };
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

  touch(): Promise<Session | undefined> {
    return notYet();
  }

  setIf(): Promise<boolean> {
    return notYet();
  }

  touchIf(): Promise<Session | undefined | false> {
    return notYet();
  }

  deleteIf(): Promise<boolean> {
    return notYet();
  }

  adopt(): Promise<void> {
    return notYet();
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

  private run(execution: Execution, trace?: RequestTrace, timeoutMs?: number): Promise<Buffer | undefined> {
    return trace
      ? this.cassandra.runTraced(execution, trace, timeoutMs)
      : this.cassandra.run(execution, timeoutMs);
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
        const leftMs = Math.max(1, Math.ceil(deadline - performance.now()));
        await this.run({ statement, ...removal }, trace, leftMs);
        return effect;
      } catch (error) {
        if (!mayBeRepeated(error)) throw error;
        if (error.kind === 'timeout') break;
      }
    }
    return 'it may have taken effect nowhere yet';
  }
}

function mayBeRepeated(error: unknown): error is StorageError {
  return (
    error instanceof StorageError &&
    (error.kind === 'unavailable' || error.kind === 'timeout') &&
    !isForGood(error)
  );
}

function notYet(): Promise<never> {
  return Promise.reject(new StorageError('unavailable', 'Cassandra is not asked for this yet'));
}
