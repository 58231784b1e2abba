import type { IncomingHttpHeaders } from 'node:http';
import type { RequestTrace } from './request-trace.js';

/** Decides which requests are traced. There is one only if `tracing.endpoint` is set: its parts are loaded only then. */
export abstract class Tracer {
  /**
   * Undefined for a request that is not traced.
   *
   * @param startedAt of `performance.now()`, in ms
   */
  abstract begin(headers: IncomingHttpHeaders, startedAt: number): RequestTrace | undefined;
}
