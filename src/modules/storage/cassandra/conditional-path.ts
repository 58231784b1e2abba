import { type Client, errors, policies, types } from 'cassandra-driver';
import { StorageError } from '../storage-error.js';
import { inTime } from '../storage-timeout.js';
import { fromDriverError } from './cassandra-errors.js';
import type { StatementTrace } from './statement-trace.js';
import type { ConditionalName, ConditionalStatements } from './statements.js';

const code = types.responseErrorCodes;
/** What a node says before it has begun. Overloaded is none of it: hints may be too many when it is decided already. */
const BEFOREHAND = new Set<number>([
  code.badCredentials,
  code.unauthorized,
  code.invalid,
  code.unprepared,
  code.isBootstrapping,
]);
const UNAVAILABLE: number = code.unavailableException;
const SERIAL: number = types.consistencies.serial;
const MAY_BE_APPLIED = 'it may have been applied';

export interface ConditionalExecution {
  readonly statement: ConditionalName;
  readonly parameters: readonly unknown[];
  readonly trace?: StatementTrace;
}

/** What the replicas have agreed on: whether the condition held, and the value that they had where it did not. */
export interface Decision {
  readonly isApplied: boolean;
  readonly value: Buffer | undefined;
}

/** Where too few replicas could have decided, nothing was: another node may see more of them. */
class RetryBeforehand extends policies.retry.RetryPolicy {
  override onUnavailable(
    info: policies.retry.OperationInfo,
    consistency: types.consistencies,
    required: number,
    alive: boolean,
  ): policies.retry.DecisionInfo {
    const isBeforehand = consistency === types.consistencies.serial;
    return isBeforehand ? super.onUnavailable(info, consistency, required, alive) : this.rethrowResult();
  }

  override onReadTimeout(): policies.retry.DecisionInfo {
    return this.rethrowResult();
  }
}

const OPTIONS = {
  serialConsistency: types.consistencies.serial,
  // Sent twice, a write may be refused for what it has done itself.
  isIdempotent: false,
  retry: new RetryBeforehand(),
};

/** Lightweight transactions, by the plain driver, as they are rare. */
export class ConditionalPath {
  constructor(private readonly statements: ConditionalStatements) {}

  /** Rejects with a StorageError of kind `timeout` if a write may have been applied. */
  async run(client: Client, execution: ConditionalExecution, timeoutMs: number): Promise<Decision> {
    const { statement, parameters, trace } = execution;
    const { cql, consistency } = this.statements[statement];
    const options = { ...OPTIONS, consistency, readTimeout: timeoutMs };
    try {
      const asked = client.execute(cql, [...parameters], options);
      const result = await inTime(asked, timeoutMs, 'Cassandra did not answer in time');
      trace?.answered(result.info.queriedHost, Object.keys(result.info.triedHosts).length);
      return decisionOf(result.first());
    } catch (error) {
      throw statement === 'getSerial' ? fromDriverError(error) : toldOfWrite(error);
    }
  }
}

/** A read decides nothing; it has no row where there is no session. */
function decisionOf(row: types.Row | null): Decision {
  const value = (row?.get('value') as Buffer | null | undefined) ?? undefined;
  return { isApplied: row?.get('[applied]') === true, value };
}

function toldOfWrite(error: unknown): unknown {
  const told = fromDriverError(error);
  if (!(told instanceof StorageError) || told.kind === 'too_large' || isBeforehand(error)) return told;
  const reason = told.reason.endsWith(MAY_BE_APPLIED) ? told.reason : `${told.reason}; ${MAY_BE_APPLIED}`;
  return new StorageError('timeout', reason, { cause: told.cause });
}

function isBeforehand(error: unknown): boolean {
  // Only what was never sent is tried on one node after the other, but for what onUnavailable lets pass.
  if (error instanceof errors.NoHostAvailableError || error instanceof errors.BusyConnectionError)
    return true;
  if (error instanceof errors.AuthenticationError) return true;
  if (!(error instanceof errors.ResponseError)) return false;
  if (error.code !== UNAVAILABLE) return BEFOREHAND.has(error.code);
  return (error as { consistencies?: number }).consistencies === SERIAL;
}
