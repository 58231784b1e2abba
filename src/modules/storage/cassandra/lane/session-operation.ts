import { errors, types } from 'cassandra-driver';
import { fromDriverError } from '../cassandra-errors.js';
import type { StorageError } from '../../storage-error.js';
import type { StatementName } from '../statements.js';
import { ConnectionLost } from './channel.js';
import type { Execution } from './execution.js';
import type { Hedging } from './hedging.js';
import type { Attempt } from './lane-connection.js';
import { Expiring, type TimerWheel } from './timer-wheel.js';

/** A node that can be asked to coordinate. */
export interface Coordinator {
  readonly address: string;
  /** Asked only where all others were, see Standing. */
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
/** Each hedge of a request waits so many times as long as the one before. */
const HEDGES_SPREAD = 1.5;
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
): Promise<Buffer | undefined> {
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
  error: Error | undefined;

  constructor(
    private readonly operation: SessionOperation,
    readonly coordinator: Coordinator,
  ) {}

  answered(value: Buffer | undefined): void {
    this.operation.answered(this, value);
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
  /** Who would be next, but is put aside, or could not be paid for. */
  private reserve: Coordinator | undefined;
  private waiting = 0;
  private isOver = false;

  constructor(
    private readonly coordinators: Iterator<Coordinator, unknown>,
    private readonly execution: Execution,
    private readonly deadline: number,
    private readonly terms: Terms,
    private readonly resolve: (value: Buffer | undefined) => void,
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
    const next = this.another();
    const hedge = next && !next.isAside ? next : this.oneOfThoseAgain();
    const isPaidFor = hedge !== undefined && this.terms.hedging.spend();
    if (!isPaidFor || hedge !== next) this.reserve = next;
    if (!hedge) return;
    if (isPaidFor) {
      this.terms.onHedge?.(this.execution.statement);
      this.ask(hedge);
    }
    this.hedgeMs *= HEDGES_SPREAD;
    this.terms.wheel.add(this, performance.now() + this.hedgeMs);
  }

  answered(by: Try, value: Buffer | undefined): void {
    if (this.isOver) return;
    this.end();
    this.terms.hedging.answered(this.execution.statement, performance.now() - this.startedAt);
    by.coordinator.didWell();
    for (let i = 0; this.tries[i] !== by; i++) this.blame(this.tries[i] as Try);
    this.resolve(value);
  }

  failed(error: Error): void {
    if (this.isOver) return;
    this.waiting--;
    if (error instanceof errors.OperationTimedOutError) {
      if (this.waiting === 0) this.giveUp();
    } else if (!isOfTheCoordinator(error)) {
      this.end();
      this.reject(fromDriverError(error));
    } else if (!this.askNext() && this.waiting === 0) this.giveUp();
  }

  /** Its node was put aside while it waited: what the others do for those after it is done for it too. */
  suspected(waiting: Try): void {
    if (!this.isOver && waiting === this.tries.at(-1)) this.askNext();
  }

  private askNext(): boolean {
    const next = this.another();
    if (!next) return false;
    if (this.tries.length > 0) this.terms.onNextTry?.();
    this.ask(next);
    return true;
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
    return this.execution.statement === 'delete';
  }

  private ask(coordinator: Coordinator): void {
    const attempt = new Try(this, coordinator);
    this.tries.push(attempt);
    this.waiting++;
    coordinator.execute(this.execution, this.deadline, attempt);
  }

  private giveUp(): void {
    this.end();
    for (const each of this.tries) if (each.error instanceof errors.OperationTimedOutError) this.blame(each);
    const said = this.tries.map(({ coordinator, error }) => [coordinator.address, error]);
    this.reject(fromDriverError(new errors.NoHostAvailableError(Object.fromEntries(said))));
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
