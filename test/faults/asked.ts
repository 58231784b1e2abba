import type { Answer } from '../endurance/request.js';

export const DATACENTERS = ['eqiad', 'codfw'] as const;
export type Datacenter = (typeof DATACENTERS)[number];
export type Method = 'GET' | 'POST' | 'DELETE';

/** One request as its client saw it. */
export interface Asked {
  /** When it was sent, in ms of `performance.now()`. */
  at: number;
  ms: number;
  datacenter: Datacenter;
  method: Method;
  /** 0 if there was no answer. */
  status: number;
  /** If it failed, how: `GET 503 unavailable`, `POST no answer`. */
  failure?: string;
}

export const DELETE_PENDING = 'DELETE 503 delete_pending';

/** In the words of the report; never the key. */
export function failureOf(method: Method, { status, body, error }: Answer): string {
  return `${method} ${error ? reasonOf(error) : `${status} ${problemType(body)}`}`.trimEnd();
}

function reasonOf(error: NodeJS.ErrnoException): string {
  return error.code ?? error.message;
}

/** `unavailable` of a problem document, or nothing. */
function problemType(body: Buffer): string {
  return /"type":"[^"]*\/([^"/]+)"/.exec(body.toString('utf8', 0, 200))?.[1] ?? '';
}
