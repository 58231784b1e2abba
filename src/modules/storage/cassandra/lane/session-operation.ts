import { errors, types } from 'cassandra-driver';
import { fromDriverError } from '../cassandra-errors.js';
import type { StorageError } from '../../storage-error.js';
import type { StatementName } from '../statements.js';
import { ConnectionLost } from './channel.js';
import type { Execution, Row } from './execution.js';
import { type Hedging, reachOf } from './hedging.js';
import type { Attempt } from './lane-connection.js';
import { Expiring, type TimerWheel } from './timer-wheel.js';

/** A node that can be asked to coordinate. */
export interface Coordinator {
  readonly address: string;
  /** Asked after all others, see Standing. */
  readonly isAside: boolean;
  /** Sends an execution to this node; see LaneConnection. */
  execute(execution: Execution, deadline: number, attempt: Attempt): void;
  didWell(): void;
  didWrong(why: string): void;
}

/** What all operations share. */
export interface Terms {
  wheel: TimerWheel;
  hedging: Hedging;
  /** Of the last answer that came: when, as `performance.now()` has it, in ms, and from whom. */
  lastAnswer?: { at: number; from: Coordinator };
  /** A second node was asked while the first was silent, or because it refused. */
  onHedge?: (statement: StatementName) => void;
  onNextTry?: () => void;
}

const code = types.responseErrorCodes;
/** What a node says of itself or of how it sees the others: another may grant what it refuses. */
const OF_THE_COORDINATOR = new Set<number>([
  code.serverError,
  code.unavailableException,
  code.overloaded,
  code.isBootstrapping,
  code.truncateError,
  code.readTimeout,
  code.readFailure,
  code.writeTimeout,
  code.writeFailure,
]);
/**
 * Each hedge of a request waits so many times as long as the one before. A delete waits less: while one of three nodes of
 * the other datacenter hangs, each try has one chance in three to be sent there by way of it, and six tries were too few.
 */
const HEDGES_SPREAD = { nearby: 1.5, everywhere: 1.1 };
/** So many nodes are asked that refuse. */
const MOST_REFUSALS = 3;
const SILENT = 'it was silent until another node had answered';
const LATE = 'it did not answer in time';

/**
 * Asks one coordinator after the other until one of them answers; `deadline` (`performance.now()`, in ms) is for all
 * together. One that refuses is followed by the next at once, one that is silent is hedged. Each is sent the same
 * execution with the same timestamp, so that it does not matter which of them did what it never answered (ADR 0007).
 * Rejects with a StorageError, or with what is our own fault.
 */
export function runOn(
  coordinators: Iterable<Coordinator>,
  execution: Execution,
  deadline: number,
  terms: Terms,
): Promise<Row | undefined> {
  return new Promise((resolve, reject) => {
    new SessionOperation(
      coordinators[Symbol.iterator](),
      execution,
      deadline,
      terms,
      resolve,
      reject,
    ).start();
  });
}

/** One coordinator that was asked. */
class Try implements Attempt {
  readonly sentAt = performance.now();
  error: Error | undefined;

  constructor(
    private readonly operation: SessionOperation,
    readonly coordinator: Coordinator,
  ) {}

  answered(row: Row | undefined): void {
    this.operation.answered(this, row);
  }

  failed(error: Error): void {
    this.error = error;
    this.operation.failed(error);
  }

  suspected(): void {
    this.operation.suspected(this);
  }
}

class SessionOperation extends Expiring {
  private readonly startedAt = performance.now();
  private hedgeMs: number;
  /** In the order in which they were sent. */
  private readonly tries: Try[] = [];
  private repeated = 0;
  private refusals = 0;
  /** Who would be next, but could not be paid for, or is put aside. */
  private reserve: Coordinator | undefined;
  private waiting = 0;
  private isOver = false;

  constructor(
    private readonly coordinators: Iterator<Coordinator, unknown>,
    private readonly execution: Execution,
    private readonly deadline: number,
    private readonly terms: Terms,
    private readonly resolve: (row: Row | undefined) => void,
    private readonly reject: (error: unknown) => void,
  ) {
    super();
    this.hedgeMs = terms.hedging.delayOf(execution.statement);
  }

  start(): void {
    this.terms.wheel.add(this, this.startedAt + this.hedgeMs);
    if (!this.askNext()) this.giveUp();
  }

  /** Nobody has answered for as long as most answers take. */
  override expire(): void {
    const next = this.another() ?? this.oneOfThoseAgain();
    if (!next) return;
    this.hedgeMs *= HEDGES_SPREAD[reachOf(this.execution.statement)];
    this.terms.wheel.add(this, performance.now() + this.hedgeMs);
    if (!this.terms.hedging.spend(this.execution.statement)) return void (this.reserve = next);
    this.terms.onHedge?.(this.execution.statement);
    this.execution.trace?.hedged(next.address);
    this.ask(next);
  }

  answered(by: Try, row: Row | undefined): void {
    if (this.isOver) return;
    this.end();
    const now = performance.now();
    this.terms.lastAnswer = { at: now, from: by.coordinator };
    // What a delete lost with unlucky draws must not make those after it wait longer before they draw again.
    const since = this.concernsEveryDatacenter ? by.sentAt : this.startedAt;
    this.terms.hedging.answered(this.execution.statement, now - since);
    this.execution.trace?.answered(by.coordinator.address);
    by.coordinator.didWell();
    for (let i = 0; this.tries[i] !== by; i++) this.blame(this.tries[i] as Try);
    this.resolve(row);
  }

  failed(error: Error): void {
    if (this.isOver) return;
    this.waiting--;
    if (error instanceof errors.OperationTimedOutError) {
      if (this.waiting === 0) this.giveUp();
    } else if (!isOfTheCoordinator(error)) {
      this.end();
      this.reject(fromDriverError(error));
    } else if (!(this.mayAskNext(error) && this.askNext()) && this.waiting === 0) this.giveUp();
  }

  /** Where several have refused, others would as well, and a cluster in trouble has enough to do. */
  private mayAskNext(error: Error): boolean {
    return !(error instanceof errors.ResponseError) || ++this.refusals < MOST_REFUSALS;
  }

  /** Its node was put aside while it waited: what the others do for those after it is done for it too. */
  suspected(waiting: Try): void {
    if (this.isOver || waiting !== this.tries.at(-1)) return;
    const next = this.another();
    if (next?.isAside) this.reserve = next;
    else if (next) this.askInstead(next);
  }

  private askNext(): boolean {
    const next = this.another();
    if (next) this.askInstead(next);
    return next !== undefined;
  }

  private askInstead(next: Coordinator): void {
    if (this.tries.length > 0) {
      this.terms.onNextTry?.();
      this.execution.trace?.triedNext(next.address);
    }
    this.ask(next);
  }

  private another(): Coordinator | undefined {
    const { reserve } = this;
    this.reserve = undefined;
    if (reserve) return reserve;
    const { value, done } = this.coordinators.next();
    return done ? undefined : value;
  }

  /**
   * What goes to the other datacenter as well, a coordinator sends to one node there, for all of them; it draws which. If
   * that one hangs, every coordinator of ours seems silent, and the same may do better the next time.
   */
  private oneOfThoseAgain(): Coordinator | undefined {
    if (!this.concernsEveryDatacenter) return undefined;
    return this.tries[this.repeated++]?.coordinator;
  }

  private get concernsEveryDatacenter(): boolean {
    return reachOf(this.execution.statement) === 'everywhere';
  }

  private ask(coordinator: Coordinator): void {
    const attempt = new Try(this, coordinator);
    this.tries.push(attempt);
    this.waiting++;
    coordinator.execute(this.execution, this.deadline, attempt);
  }

  private giveUp(): void {
    this.end();
    for (const each of this.tries) if (this.wasLateAlone(each)) this.blame(each);
    const said = this.tries.map(({ coordinator, error }) => [coordinator.address, error]);
    this.reject(fromDriverError(new errors.NoHostAvailableError(Object.fromEntries(said))));
  }

  /** Where nobody has answered anybody since, it is the cluster that is slow, or we are cut off from it. */
  private wasLateAlone({ coordinator, error }: Try): boolean {
    const { lastAnswer } = this.terms;
    const didAnother = lastAnswer && lastAnswer.from !== coordinator && lastAnswer.at > this.startedAt;
    return error instanceof errors.OperationTimedOutError && didAnother === true;
  }

  /**
   * For what another did in the same time. A connection that is lost is nobody's fault: it is opened anew. Nor is it the
   * coordinator's that another datacenter is silent.
   */
  private blame({ coordinator, error }: Try): void {
    if (this.concernsEveryDatacenter) return;
    if (!error) coordinator.didWrong(SILENT);
    else if (error instanceof errors.OperationTimedOutError) coordinator.didWrong(LATE);
    else if (error instanceof errors.ResponseError)
      coordinator.didWrong(
        `it refused what another node granted: ${(fromDriverError(error) as StorageError).reason}`,
      );
  }

  private end(): void {
    this.isOver = true;
    this.terms.wheel.remove(this);
  }
}

function isOfTheCoordinator(error: Error): boolean {
  if (error instanceof errors.ResponseError) return OF_THE_COORDINATOR.has(error.code);
  return error instanceof ConnectionLost || error instanceof errors.BusyConnectionError;
}
