import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { KaskConflict, type KaskError, KaskProtocolError, KaskRefused, KaskUnavailable } from './errors.js';

export interface Question {
  method: 'GET' | 'PUT' | 'PATCH' | 'DELETE';
  /** Percent-encoded. */
  path: string;
  headers?: OutgoingHttpHeaders;
  body?: Uint8Array | string;
  /**
   * What may have been done by the first try must not be done again where it is `once`, as a value would undo a logout that
   * came in between, or `conditional`, as it would be refused for its own success.
   */
  effect: 'none' | 'repeatable' | 'once' | 'conditional';
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

interface ProblemDocument {
  name?: string;
  detail?: string;
}

const TYPES = 'https://www.mediawiki.org/wiki/Kask/errors/';
/** Of a session that there is not. Kask's other 404s, about paths that are nobody's, have other words. */
const ABSENCE = 'The value you requested was not found';
const SUCCESS = { GET: 200, PUT: 201, PATCH: 204, DELETE: 204 };

/** What a question was answered with, or undefined for one about a session that there is not. */
export function judged({ method, effect }: Question, answer: Answer): Answer | undefined {
  if (answer.status === SUCCESS[method]) return answer;
  const problem = problemOf(answer);
  if (answer.status === 404 && isAbsence(problem) && method !== 'PUT') return undefined;
  throw failure(method, effect, answer, problem);
}

function isAbsence({ name, detail }: ProblemDocument): boolean {
  return name === 'not_found' && detail === ABSENCE;
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

/** Kask's 503 says that a condition was not even tried. It can hide any other write that was done, as a 504 can. */
function isOutcomeUnknown(effect: Question['effect'], problem?: string): boolean {
  return effect !== 'none' && !(effect === 'conditional' && problem === 'unavailable');
}

/** Of Kask's own problems only: a proxy's could repeat the path, and the key in it. */
function problemOf({ body }: Answer): ProblemDocument {
  const { type, detail } = parsed(body);
  return type?.startsWith(TYPES) ? { name: type.slice(TYPES.length), detail } : {};
}

function parsed(body: Buffer): Partial<Record<'type' | 'detail', string>> {
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
