import { errors, types } from 'cassandra-driver';
import { StorageError } from '../storage-error.js';

const code = types.responseErrorCodes;
const TABLE = 'Cassandra does not accept the statement; is the table as it should be?';

/** Codes of Cassandra's ERROR message (native protocol v4, section 9) that are about the cluster, not about us. */
const REASONS = new Map<number, string>([
  [code.serverError, 'a Cassandra node failed'],
  [code.unavailableException, 'too few replicas are alive for the consistency level'],
  [code.overloaded, 'a Cassandra node is overloaded'],
  [code.isBootstrapping, 'a Cassandra node is still starting'],
  [code.truncateError, 'a Cassandra node failed while truncating'],
  [code.readFailure, 'a replica failed while reading'],
  [code.writeFailure, 'a replica failed while writing; it may have been applied'],
  [code.badCredentials, 'Cassandra refuses the user name or password'],
  [code.unauthorized, 'Cassandra does not permit this user to use the table'],
  [code.invalid, TABLE],
  [code.unprepared, TABLE], // what is left when preparing the statement anew failed: the table was dropped
]);

/** Of those, what lasts until somebody mends roles or the table. */
const FOR_GOOD = new Set<number>([code.badCredentials, code.unauthorized, code.invalid, code.unprepared]);

const TIMEOUTS = new Map<number, string>([
  [code.readTimeout, 'replicas did not answer a read in time'],
  [code.writeTimeout, 'replicas did not answer a write in time; it may have been applied'],
]);

/**
 * A value can be beyond half a commit log segment, a frame of the protocol, what a node reads of one message (from
 * version 5 of the protocol on, a share of its heap), or a guardrail; versions differ in words.
 */
const TOO_LARGE =
  /oversized mutation|mutation of .+ is too large|request is too big|cql message of size .+ exceeds|guardrail column_\w*value_size violated/i;
const TTL = /^ttl is too large|with ttl of \d+ seconds exceeds/;

/**
 * Tells a driver's error apart: the cluster can't now, or did not answer in time. What is neither comes back as it is:
 * it is our own fault. Reasons are words of ours: a server's message may quote what it was sent, and one about an
 * oversized mutation names the key.
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
  if (isOfConnection(error)) return unavailable('a connection to Cassandra was lost', error);
  return error;
}

/** What a driver's error says, of each node. For probes and logs about the cluster, never about a session. */
export function explain(error: unknown): string {
  if (!(error instanceof errors.NoHostAvailableError)) return sayingOf(error);
  const said = Object.entries((error.innerErrors ?? {}) as Record<string, unknown>);
  if (said.length === 0) return error.message;
  return said
    .map(([node, each]) => `${node}: ${sayingOf(each)}`)
    .sort()
    .join('; ');
}

/** No host answered: why is what one of them said. */
function fromNoHost(error: errors.NoHostAvailableError): StorageError {
  const cause = new Error(explain(error));
  const said = Object.values((error.innerErrors ?? {}) as Record<string, unknown>).map(fromDriverError);
  const told = said.filter((each) => each instanceof StorageError);
  // What a node said counts for more than silence, and that more than a connection that broke: nobody said anything there.
  const decisive =
    told.find((each) => each.kind !== 'timeout' && isSaid(each)) ??
    told.find((each) => each.kind === 'timeout') ??
    told[0];
  if (!decisive) return unavailable('no Cassandra node can be reached', cause);
  return told.some(({ kind }) => kind === 'too_large')
    ? new StorageError(decisive.kind, decisive.reason)
    : new StorageError(decisive.kind, decisive.reason, { cause });
}

function fromResponse(error: errors.ResponseError): unknown {
  // Without its cause: the message that names the key would stay with whoever holds the error.
  if (TOO_LARGE.test(error.message))
    return new StorageError('too_large', 'Cassandra does not take a value of this size');
  const late = TIMEOUTS.get(error.code);
  if (late) return timeout(late, error);
  const reason = TTL.test(error.message)
    ? 'Cassandra does not accept a TTL of this length (default_ttl, or Kask-TTL)'
    : REASONS.get(error.code);
  return reason ? unavailable(reason, error) : error;
}

function isSaid({ cause }: StorageError): boolean {
  return cause instanceof errors.ResponseError || cause instanceof errors.BusyConnectionError;
}

/** Whether a node said that it never will do this for us as things are, rather than that it can't now. */
export function isForGood({ cause }: StorageError): boolean {
  return cause instanceof errors.ResponseError && FOR_GOOD.has(cause.code);
}

/** Whether a node did not let us in, or not do what we asked. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof errors.NoHostAvailableError)
    return Object.values((error.innerErrors ?? {}) as Record<string, unknown>).some(isRefusal);
  if (error instanceof errors.AuthenticationError) return true;
  return (
    error instanceof errors.ResponseError && [code.badCredentials, code.unauthorized].includes(error.code)
  );
}

/** The driver tells of its sockets and pools by plain errors: of its own faults and ours by classes of their own. */
function isOfConnection(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return 'isSocketError' in error || 'syscall' in error || error.message === 'No connection available';
}

function sayingOf(error: unknown): string {
  // OpenSSL's message is one of addresses and source lines around this.
  if (error instanceof Error)
    return 'library' in error && 'reason' in error ? `TLS: ${String(error.reason)}` : error.message;
  return typeof error === 'string' ? error : 'no answer';
}

function unavailable(reason: string, cause: Error): StorageError {
  return new StorageError('unavailable', reason, { cause });
}

function timeout(reason: string, cause: Error): StorageError {
  return new StorageError('timeout', reason, { cause });
}
