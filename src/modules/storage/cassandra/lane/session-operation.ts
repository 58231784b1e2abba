import { errors, types } from 'cassandra-driver';
import { fromDriverError } from '../cassandra-errors.js';
import { ConnectionLost } from './channel.js';
import type { Execution } from './execution.js';
import type { Attempt } from './lane-connection.js';

/** A node that can be asked to coordinate. */
export interface Coordinator {
  readonly address: string;
  /** Sends an execution to this node; see LaneConnection. */
  execute(execution: Execution, deadline: number, attempt: Attempt): void;
}

const code = types.responseErrorCodes;
/** What a node says of itself or of how it sees the others: another may grant what it refuses. */
const OF_THE_COORDINATOR = new Set<number>([
  code.serverError,
  code.unavailableException,
  code.overloaded,
  code.isBootstrapping,
  code.truncateError,
]);

/**
 * Asks one coordinator after the other until one of them answers; `deadline` (`performance.now()`, in ms) is for all
 * together. Each is sent the same execution with the same timestamp, so that it does not matter whether one of them
 * did what it never answered. Rejects with a StorageError, or with what is our own fault.
 */
export function runOn(
  coordinators: Iterable<Coordinator>,
  execution: Execution,
  deadline: number,
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    new SessionOperation(coordinators[Symbol.iterator](), execution, deadline, resolve, reject).next();
  });
}

class SessionOperation implements Attempt {
  private asked: Coordinator | undefined;
  private refusals: Record<string, Error> | undefined;

  constructor(
    private readonly coordinators: Iterator<Coordinator, unknown>,
    private readonly execution: Execution,
    private readonly deadline: number,
    readonly answered: (value: Buffer | undefined) => void,
    private readonly reject: (error: unknown) => void,
  ) {}

  next(): void {
    const { value, done } = this.coordinators.next();
    if (done) return this.reject(fromDriverError(new errors.NoHostAvailableError(this.refusals ?? {})));
    this.asked = value;
    value.execute(this.execution, this.deadline, this);
  }

  failed(error: Error): void {
    if (!isOfTheCoordinator(error)) return this.reject(fromDriverError(error));
    (this.refusals ??= {})[(this.asked as Coordinator).address] = error;
    this.next();
  }
}

function isOfTheCoordinator(error: Error): boolean {
  if (error instanceof errors.ResponseError) return OF_THE_COORDINATOR.has(error.code);
  return error instanceof ConnectionLost || error instanceof errors.BusyConnectionError;
}
