const TYPES = 'https://www.mediawiki.org/wiki/Kask/errors/';

/**
 * Every error that a client can be answered with: the one table behind the responses, the OpenAPI document and
 * docs/problems.md. Types and titles of 400, 401, 404 and 500 are those of the service that this one succeeds.
 */
export const PROBLEMS = {
  bad_request: { status: 400, title: 'Bad request', detail: 'The request was incorrect or malformed' },
  not_atomic: {
    status: 400,
    title: 'Not atomic',
    detail: 'Writes to this kind of session cannot depend on what is stored',
  },
  not_authorized: { status: 401, title: 'Not authorized', detail: 'Unable to authorize request' },
  forbidden: {
    status: 403,
    title: 'Forbidden',
    detail: 'This client may not do this',
  },
  not_found: { status: 404, title: 'Not found', detail: 'The value you requested was not found' },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    detail: 'This resource has no such method',
  },
  request_timeout: { status: 408, title: 'Request timeout', detail: 'The request did not arrive in time' },
  precondition_failed: {
    status: 412,
    title: 'Precondition failed',
    detail: 'What is stored is not what the request depends on',
  },
  too_large: {
    status: 413,
    title: 'Content too large',
    detail: 'The value is larger than this service stores',
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    detail: 'This request has no body',
  },
  over_budget: {
    status: 429,
    title: 'Over budget',
    detail: 'More is being written to this kind of session than may be',
  },
  headers_too_large: {
    status: 431,
    title: 'Request header fields too large',
    detail: 'The request line and header are too large',
  },
  server_error: {
    status: 500,
    title: 'Internal server error',
    detail: 'The server encountered an error with your request',
  },
  unavailable: {
    status: 503,
    title: 'Service unavailable',
    detail: 'The storage cannot serve this request now',
  },
  delete_pending: {
    status: 503,
    title: 'Delete pending',
    detail: 'Not every datacenter has acknowledged the delete yet, and it is repeated until each has',
  },
  timeout: { status: 504, title: 'Gateway timeout', detail: 'The storage did not answer in time' },
} as const satisfies Record<string, { status: number; title: string; detail: string }>;

export type ProblemName = keyof typeof PROBLEMS;

/** An answer other than success. Its detail and headers reach the client: no session key may be in them. */
export class Problem extends Error {
  /** The document up to the instance, which is all that differs from one request to the next. */
  private readonly head: string;

  constructor(
    readonly problem: ProblemName,
    readonly detail: string = PROBLEMS[problem].detail,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    const { title } = PROBLEMS[problem];
    this.head = JSON.stringify({ type: TYPES + problem, title, detail }).slice(0, -1);
  }

  get status(): number {
    return PROBLEMS[this.problem].status;
  }

  /** The problem document of RFC 9457; `instance` is a URI reference. */
  document(instance: string): string {
    return `${this.head},"instance":${JSON.stringify(instance)}}\n`;
  }
}

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';
