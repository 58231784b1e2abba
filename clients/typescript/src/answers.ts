import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { KaskConflict, type KaskError, KaskProtocolError, KaskRefused, KaskUnavailable } from './errors.js';

export interface Question {
  method: 'GET' | 'PUT' | 'PATCH' | 'DELETE';
  /** Percent-encoded. */
  path: string;
  headers?: OutgoingHttpHeaders;
  body?: Uint8Array | string;
  /**
   * `once`: done by the first try, it must not be done again. A value would undo a logout that came in between; what has a
   * condition would be refused for its own success.
   */
  effect: 'none' | 'repeatable' | 'once';
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

interface ProblemDocument {
  name?: string;
  detail?: string;
  instance?: string;
}

const TYPES = 'https://www.mediawiki.org/wiki/Kask/errors/';
const SUCCESS = { GET: 200, PUT: 201, PATCH: 204, DELETE: 204 };

/** What a question was answered with, or undefined for one about a session that there is not. */
export function judged({ method, effect }: Question, answer: Answer): Answer | undefined {
  if (answer.status === SUCCESS[method]) return answer;
  const problem = problemOf(answer);
  if (answer.status === 404 && isAbsence(problem) && method !== 'PUT') return undefined;
  throw failure(method, effect, answer, problem);
}

/** Kask's own word that there is no such session: not that of a proxy, and not about a path that is nobody's. */
function isAbsence({ name, instance }: ProblemDocument): boolean {
  return name === 'not_found' && instance !== '/';
}

function failure(
  method: string,
  effect: Question['effect'],
  answer: Answer,
  { name: problem, detail }: ProblemDocument,
): KaskError {
  const { status } = answer;
  const message = `${method} was answered ${status}${problem ? ` (${problem}): ${detail}` : ''}`;
  const facts = { status, problem, retryAfterMs: retryAfterMs(answer) };
  if (status === 408) return new KaskUnavailable(message, false, facts);
  if (status >= 500) return new KaskUnavailable(message, isOutcomeUnknown(effect, problem), facts);
  if (status === 412) return new KaskConflict(message, facts);
  if (status >= 400 && status !== 404) return new KaskRefused(message, facts);
  return new KaskProtocolError(message, facts);
}

/** Kask says 504 of a write that may have taken effect, and 503 of one that did not. A proxy's 503 can hide anything. */
function isOutcomeUnknown(effect: Question['effect'], problem?: string): boolean {
  return effect === 'repeatable' || (effect === 'once' && problem !== 'unavailable');
}

/** Of Kask's own problems only: a proxy's could repeat the path, and the key in it. */
function problemOf({ body }: Answer): ProblemDocument {
  const { type, detail, instance } = parsed(body);
  return type?.startsWith(TYPES) ? { name: type.slice(TYPES.length), detail, instance } : {};
}

function parsed(body: Buffer): Partial<Record<'type' | 'detail' | 'instance', string>> {
  try {
    return Object(JSON.parse(body.toString())) as object;
  } catch {
    return {};
  }
}

function retryAfterMs({ headers }: Answer): number | undefined {
  const seconds = headers['retry-after'];
  return seconds !== undefined && /^\d+$/.test(seconds) ? Number(seconds) * 1000 : undefined;
}
