import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';
import type { RequestTrace } from '../../../tracing/request-trace.js';
import { Metrics } from '../../metrics/metrics.js';
import { type Condition, holds, type Session } from '../session-store.js';
import { StorageError } from '../storage-error.js';
import { CassandraService } from './cassandra.service.js';
import type { Decision } from './conditional-path.js';
import { KeyTurns } from './key-turns.js';
import type { ConditionalName } from './statements.js';
import { Timestamps } from './timestamps.js';

/** A value that nobody has, in bytes: what is compared with it differs, whatever it is, and also where nothing is. */
const NOBODYS_BYTES = 16;
/** Of one key: more than get their turn in time, and far less than would hold up the writes of other keys. */
const MOST_IN_TURN = 256;
const TOO_MANY = 'other conditional writes of the same key take all the time';
const OUTCOMES = ['applied', 'unmet', 'overtaken', 'unknown', 'failed'] as const;

/** What a key held when all replicas were last asked, and when that was at the earliest, in ms of `performance.now()`. */
interface Agreed {
  since: number;
  value: Buffer | undefined;
}

/** One conditional write, and the time that it has. */
interface Turn {
  readonly key: string;
  readonly cameAt: number;
  readonly deadline: number;
  readonly trace: RequestTrace | undefined;
  /** Of those who had their turn before. */
  readonly agreed: Partial<Agreed>;
}

/**
 * Writes of keys that are never written otherwise, each decided by all replicas together (ADR 0014). A condition on the
 * value is judged here, by what was read; then the very bytes that were read are swapped, if they still are there. That a
 * condition does not hold is said only by what replicas have agreed on: a plain read may be behind.
 *
 * Those of this process that write to the same key have turns, as proposals that overlap cost each other their time. What
 * was agreed on while one waited holds for it as well: of a hundred who want to create a session all but two are told by it.
 */
@Injectable()
export class ConditionalWrites {
  private readonly turns = new KeyTurns<Agreed>();
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
      const set = [ttlSeconds, value, key];
      if (condition === 'any')
        return this.decided(turn, 'replace', [...set, randomBytes(NOBODYS_BYTES)], value);
      if (isKnownNotToHold(condition, turn)) return false;
      if (condition === 'absent') return this.decided(turn, 'swap', [...set, null], value);
      if (condition === 'present') return this.decided(turn, 'replace', [...set, null], value);
      const write = (seen: Buffer) => this.decide(turn, 'swap', [...set, seen], value);
      return (await this.swap(turn, condition, write)).isApplied;
    });
  }

  touchIf(
    key: string,
    condition: Condition,
    ttlSeconds: number,
    trace?: RequestTrace,
  ): Promise<Session | undefined | false> {
    return this.inTurn(key, trace, async (turn) => {
      const isMet = (seen: Buffer): boolean => holds(condition, seen);
      const write = (seen: Buffer) => this.decide(turn, 'swap', [ttlSeconds, seen, key, seen], seen);
      const { isApplied, value } = await this.swap(turn, isMet, write);
      return value && isApplied && { value, ttlSeconds };
    });
  }

  deleteIf(key: string, condition: Condition, trace?: RequestTrace): Promise<boolean> {
    return this.inTurn(key, trace, async (turn) => {
      if (condition === 'any') {
        await this.decided(turn, 'deletePresent', [key, null]);
        return true;
      }
      if (isKnownNotToHold(condition, turn)) return false;
      if (condition === 'absent') return !(await this.getSerial(turn));
      if (condition === 'present') return this.decided(turn, 'deletePresent', [key, null]);
      const write = (seen: Buffer) => this.decide(turn, 'deleteSeen', [key, seen]);
      return (await this.swap(turn, condition, write)).isApplied;
    });
  }

  private inTurn<T>(
    key: string,
    trace: RequestTrace | undefined,
    act: (turn: Turn) => Promise<T>,
  ): Promise<T> {
    if (this.turns.lengthOf(key) >= MOST_IN_TURN)
      return Promise.reject(new StorageError('unavailable', TOO_MANY));
    const cameAt = performance.now();
    const deadline = cameAt + this.cassandra.timeoutMs;
    return this.turns.take(key, (agreed) => act({ key, cameAt, deadline, trace, agreed }));
  }

  /** Resolves with the value that was swapped, or with what is there and does not meet the condition. */
  private async swap(
    turn: Turn,
    condition: (value: Buffer) => boolean,
    write: (seen: Buffer) => Promise<Decision>,
  ): Promise<Decision> {
    const isMet = (value: Buffer | undefined): value is Buffer => value !== undefined && condition(value);
    let value = isFresh(turn) ? turn.agreed.value : await this.get(turn);
    if (!isMet(value) && !isFresh(turn)) value = await this.getSerial(turn);
    while (isMet(value)) {
      const decision = await write(value);
      this.outcomes.inc({ outcome: decision.isApplied ? 'applied' : 'overtaken' });
      if (decision.isApplied) return { isApplied: true, value };
      value = decision.value;
    }
    this.outcomes.inc({ outcome: 'unmet' });
    return { isApplied: false, value };
  }

  private async decided(
    turn: Turn,
    statement: ConditionalName,
    parameters: readonly unknown[],
    written?: Buffer,
  ): Promise<boolean> {
    const { isApplied } = await this.decide(turn, statement, parameters, written);
    this.outcomes.inc({ outcome: isApplied ? 'applied' : 'unmet' });
    return isApplied;
  }

  /** @param written what is there if it is applied */
  private async decide(
    turn: Turn,
    statement: ConditionalName,
    parameters: readonly unknown[],
    written?: Buffer,
  ): Promise<Decision> {
    const since = performance.now();
    try {
      const execution = { statement, parameters };
      const decision = await this.cassandra.runConditional(execution, left(turn), turn.trace);
      Object.assign(turn.agreed, { since, value: decision.isApplied ? written : decision.value });
      return decision;
    } catch (error) {
      const isUnknown =
        statement !== 'getSerial' && error instanceof StorageError && error.kind === 'timeout';
      this.outcomes.inc({ outcome: isUnknown ? 'unknown' : 'failed' });
      throw error;
    }
  }

  private async get(turn: Turn): Promise<Buffer | undefined> {
    const key = Buffer.from(turn.key);
    const execution = { statement: 'get', key, timestamp: this.timestamps.next() } as const;
    return (await this.cassandra.run(execution, left(turn), turn.trace))?.value;
  }

  private async getSerial(turn: Turn): Promise<Buffer | undefined> {
    return (await this.decide(turn, 'getSerial', [turn.key])).value;
  }
}

/** Whether what was agreed on was so at a moment since this one came. */
function isFresh({ agreed, cameAt }: Turn): boolean {
  return agreed.since !== undefined && agreed.since >= cameAt;
}

function isKnownNotToHold(condition: Condition, turn: Turn): boolean {
  return isFresh(turn) && !holds(condition, turn.agreed.value);
}

/** In ms. Nothing is begun that has no time left: what it is about stays as it is. */
function left({ deadline }: Turn): number {
  const ms = Math.ceil(deadline - performance.now());
  if (ms > 0) return ms;
  throw new StorageError('unavailable', TOO_MANY);
}
