import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';
import type { RequestTrace } from '../../../tracing/request-trace.js';
import { Metrics } from '../../metrics/metrics.js';
import { type Condition, holds, type Session } from '../session-store.js';
import { StorageError } from '../storage-error.js';
import { CassandraService } from './cassandra.service.js';
import type { ConditionalExecution, Decision } from './conditional-path.js';
import { KeyTurns } from './key-turns.js';
import { Timestamps } from './timestamps.js';

/** A value that nobody has, in bytes: compared with it, a row differs whatever it holds, and also if it holds nothing. */
const NOBODYS_BYTES = 16;
const OUTCOMES = ['applied', 'unmet', 'overtaken', 'unknown', 'failed'] as const;

/** One conditional write, and the time that it has. */
interface Turn {
  readonly key: string;
  /** Of `performance.now()`, in ms. */
  readonly deadline: number;
  readonly trace: RequestTrace | undefined;
}

/**
 * Writes of keys that are never written otherwise, each decided by all replicas together (ADR 0014). A condition on the
 * value is judged here, by what was read; then the very bytes that were read are swapped, if they still are there. That a
 * condition does not hold is said only by what replicas have agreed on: a plain read may be behind.
 */
@Injectable()
export class ConditionalWrites {
  private readonly turns = new KeyTurns();
  private readonly outcomes: Counter<'outcome'>;

  constructor(
    private readonly cassandra: CassandraService,
    private readonly timestamps: Timestamps,
    metrics: Metrics,
  ) {
    this.outcomes = metrics.counter(
      'kask_cassandra_conditional_writes_total',
      'Lightweight transactions, by what came of them',
      ['outcome'],
    );
    for (const outcome of OUTCOMES) this.outcomes.inc({ outcome }, 0);
  }

  setIf(
    key: string,
    condition: Condition,
    value: Buffer,
    ttlSeconds: number,
    trace?: RequestTrace,
  ): Promise<boolean> {
    return this.inTurn(key, trace, async (turn) => {
      const set = [ttlSeconds, value, key] as const;
      if (condition === 'any') return this.write(turn, 'replace', [...set, randomBytes(NOBODYS_BYTES)]);
      if (condition === 'absent') return this.write(turn, 'swap', [...set, null]);
      if (condition === 'present') return this.write(turn, 'replace', [...set, null]);
      const { isApplied } = await this.swap(turn, condition, 'swap', (seen) => [...set, seen]);
      return isApplied;
    });
  }

  touchIf(
    key: string,
    condition: Condition,
    ttlSeconds: number,
    trace?: RequestTrace,
  ): Promise<Session | undefined | false> {
    return this.inTurn(key, trace, async (turn) => {
      const isThereAndHolds = (value: Buffer): boolean => holds(condition, value);
      const { isApplied, value } = await this.swap(turn, isThereAndHolds, 'swap', (seen) => [
        ttlSeconds,
        seen,
        key,
        seen,
      ]);
      if (!value) return undefined;
      return isApplied && { value, ttlSeconds };
    });
  }

  deleteIf(key: string, condition: Condition, trace?: RequestTrace): Promise<boolean> {
    return this.inTurn(key, trace, async (turn) => {
      if (condition === 'absent') return !(await this.getSerial(turn));
      if (typeof condition !== 'function')
        return (await this.write(turn, 'deletePresent', [key, null])) || condition === 'any';
      const { isApplied } = await this.swap(turn, condition, 'deleteSeen', (seen) => [key, seen]);
      return isApplied;
    });
  }

  /** Of this process one at a time: proposals that overlap cost each other their turn, and may then all time out. */
  private inTurn<T>(
    key: string,
    trace: RequestTrace | undefined,
    act: (turn: Turn) => Promise<T>,
  ): Promise<T> {
    const turn = { key, trace, deadline: performance.now() + this.cassandra.timeoutMs };
    return this.turns.take(key, () => act(turn));
  }

  /** Resolves with the value that was swapped, or with what is there and does not meet the condition. */
  private async swap(
    turn: Turn,
    condition: (value: Buffer) => boolean,
    statement: 'swap' | 'deleteSeen',
    parametersFor: (seen: Buffer) => readonly unknown[],
  ): Promise<Decision> {
    const isMet = (value: Buffer | undefined): value is Buffer => value !== undefined && condition(value);
    let value = await this.get(turn);
    if (!isMet(value)) value = await this.getSerial(turn);
    while (isMet(value)) {
      const decision = await this.run(turn, statement, parametersFor(value));
      this.outcomes.inc({ outcome: decision.isApplied ? 'applied' : 'overtaken' });
      if (decision.isApplied) return { isApplied: true, value };
      value = decision.value;
    }
    this.outcomes.inc({ outcome: 'unmet' });
    return { isApplied: false, value };
  }

  private async write(
    turn: Turn,
    statement: 'swap' | 'replace' | 'deletePresent',
    parameters: readonly unknown[],
  ): Promise<boolean> {
    const { isApplied } = await this.run(turn, statement, parameters);
    this.outcomes.inc({ outcome: isApplied ? 'applied' : 'unmet' });
    return isApplied;
  }

  private async get({ key, deadline, trace }: Turn): Promise<Buffer | undefined> {
    const execution = { statement: 'get', key: Buffer.from(key), timestamp: this.timestamps.next() } as const;
    const row = await this.cassandra.run(execution, left(deadline), trace);
    return row?.value;
  }

  private async getSerial({ key, deadline, trace }: Turn): Promise<Buffer | undefined> {
    const execution = { statement: 'getSerial', parameters: [key] } as const;
    return (await this.cassandra.runConditional(execution, left(deadline), trace)).value;
  }

  private async run(
    { deadline, trace }: Turn,
    statement: ConditionalExecution['statement'],
    parameters: readonly unknown[],
  ): Promise<Decision> {
    try {
      return await this.cassandra.runConditional({ statement, parameters }, left(deadline), trace);
    } catch (error) {
      const isUnknown = error instanceof StorageError && error.kind === 'timeout';
      this.outcomes.inc({ outcome: isUnknown ? 'unknown' : 'failed' });
      throw error;
    }
  }
}

/** In ms; nothing that has no time left is begun, so that what it is about stays as it is. */
function left(deadline: number): number {
  const ms = Math.ceil(deadline - performance.now());
  if (ms > 0) return ms;
  throw new StorageError('unavailable', 'other conditional writes of the same key took all the time');
}
