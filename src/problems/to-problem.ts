import { HttpException } from '@nestjs/common';
import { StorageError, type StorageErrorKind } from '../modules/storage/storage-error.js';
import { placeOf } from './place-of.js';
import { Problem, type ProblemName, PROBLEMS } from './problem.js';

/** Seconds after which a client may try again what the storage could not do. */
const RETRY_AFTER_SECONDS = '1';

const OF_STORAGE: Record<StorageErrorKind, ProblemName> = {
  unavailable: 'unavailable',
  timeout: 'timeout',
  too_large: 'too_large',
  delete_pending: 'delete_pending',
};

/** Whatever was thrown anywhere, as what a client is told of it. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof StorageError) return fromStorage(error);
  const status = error instanceof HttpException ? error.getStatus() : statusOf(error);
  const named = Object.entries(PROBLEMS).find(([, each]) => each.status === status && status < 500);
  if (named)
    return new Problem(named[0] as ProblemName, status === 404 ? 'There is nothing at this path' : undefined);
  return new Problem(status >= 400 && status < 500 ? 'bad_request' : 'server_error');
}

/** For the log. The message of an error that nobody expected may quote what it choked on, so only its place is told. */
export function whatFailed(error: unknown, problem: Problem): string {
  return problem.problem === 'server_error' ? placeOf(error) : problem.detail;
}

function fromStorage({ kind, reason }: StorageError): Problem {
  const name = OF_STORAGE[kind];
  const { status, detail } = PROBLEMS[name];
  const headers: Record<string, string> = status === 503 ? { 'retry-after': RETRY_AFTER_SECONDS } : {};
  return new Problem(name, `${detail}: ${reason}`, headers);
}

/** Fastify marks its own errors with the status that they mean. */
function statusOf(error: unknown): number {
  return typeof error === 'object' && error !== null && 'statusCode' in error
    ? Number(error.statusCode)
    : 500;
}
