/** What an error tells beside its message. A session's key or value is in neither. */
export interface ErrorFacts {
  /** Of HTTP; undefined where no answer came. */
  status?: number;
  /** The last part of the problem's type, as in Kask's docs/problems.md: `over_budget`, `not_atomic`, … */
  problem?: string;
  /** When the service asks to be tried again. */
  retryAfterMs?: number;
}

/** Whatever a call can fail with. An absent session is none of these: it is a value. */
export class KaskError extends Error {
  readonly status?: number;
  readonly problem?: string;
  readonly retryAfterMs?: number;

  constructor(message: string, facts: ErrorFacts = {}) {
    super(message);
    this.name = new.target.name;
    Object.assign(this, facts);
  }
}

/** The service, its storage or the way there is down or too slow. Nothing is said about the session. */
export class KaskUnavailable extends KaskError {
  /** The write may have taken effect all the same: read before deciding on it. */
  readonly outcomeUnknown: boolean;

  constructor(message: string, outcomeUnknown: boolean, facts: ErrorFacts = {}) {
    super(message, facts);
    this.outcomeUnknown = outcomeUnknown;
  }
}

/** `ifMatch` or `ifAbsent` did not hold, and nothing was written. */
export class KaskConflict extends KaskError {}

/**
 * The service will not do this: not permitted, too large, malformed. The next try would fail too, but for `over_budget` (429),
 * which passes by itself after `retryAfterMs`.
 */
export class KaskRefused extends KaskError {}

/** What answered is no Kask that this client knows: look at the URL, and at what lies between. */
export class KaskProtocolError extends KaskError {}
