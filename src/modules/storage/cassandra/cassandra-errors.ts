import { errors, types } from 'cassandra-driver';
import { StorageError } from '../storage-error.js';

const code = types.responseErrorCodes;

/** Codes of Cassandra's ERROR message (native protocol v4, section 9) that are about the cluster, not about us. */
const REASONS = new Map<number, string>([
  [code.serverError, 'a Cassandra node failed'],
  [code.unavailableException, 'too few replicas are alive for the consistency level'],
  [code.overloaded, 'a Cassandra node is overloaded'],
  [code.isBootstrapping, 'a Cassandra node is still starting'],
  [code.readFailure, 'a replica failed while reading'],
  [code.writeFailure, 'a replica failed while writing'],
  [code.badCredentials, 'Cassandra refuses the user name or password'],
  [code.unauthorized, 'Cassandra does not permit this user to use the table'],
  [code.invalid, 'Cassandra does not accept the statement; does the table exist as it should?'],
]);

const TIMEOUTS = new Map<number, string>([
  [code.readTimeout, 'replicas did not answer a read in time'],
  [code.writeTimeout, 'replicas did not answer a write in time; it may have been applied'],
]);

/**
 * Tells a driver's error apart: the cluster can't now, or did not answer in time. What is neither comes back as it is:
 * it is our own fault. Reasons are words of ours: a server's message may quote what it was sent.
 */
export function fromDriverError(error: unknown): unknown {
  if (error instanceof errors.NoHostAvailableError) return fromNoHost(error);
  if (error instanceof errors.OperationTimedOutError)
    return timeout('Cassandra did not answer in time', error);
  if (error instanceof errors.ResponseError) return fromResponse(error);
  if (error instanceof errors.BusyConnectionError)
    return unavailable('every connection to Cassandra is busy', error);
  if (error instanceof errors.AuthenticationError)
    return unavailable(REASONS.get(code.badCredentials) as string, error);
  if (isSocketError(error)) return unavailable('a connection to Cassandra was lost', error);
  return error;
}

/** No host answered: why is what the last of them said. */
function fromNoHost(error: errors.NoHostAvailableError): StorageError {
  const inner = Object.values((error.innerErrors ?? {}) as Record<string, Error>).map(fromDriverError);
  const told = inner.filter((each) => each instanceof StorageError);
  if (told.length > 0 && told.every((each) => each.kind === 'timeout'))
    return timeout(told[0]?.reason ?? '', error);
  return (
    told.find((each) => each.kind === 'unavailable') ?? unavailable('no Cassandra node can be reached', error)
  );
}

function fromResponse(error: errors.ResponseError): unknown {
  if (/mutation.*too large/i.test(error.message)) {
    return new StorageError('too_large', 'Cassandra does not take a value of this size', { cause: error });
  }
  const late = TIMEOUTS.get(error.code);
  if (late) return timeout(late, error);
  const reason = REASONS.get(error.code);
  return reason ? unavailable(reason, error) : error;
}

function isSocketError(error: unknown): error is Error {
  return error instanceof Error && (error.message === 'Socket was closed' || 'isSocketError' in error);
}

function unavailable(reason: string, cause: Error): StorageError {
  return new StorageError('unavailable', reason, { cause });
}

function timeout(reason: string, cause: Error): StorageError {
  return new StorageError('timeout', reason, { cause });
}
