import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Metrics } from '../modules/metrics/metrics.js';
import type { BaseUri } from '../modules/sessions/base-uri.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whether the request is for a session: its target is under `base_uri`. */
    isForSession: boolean;
    /** Whether the connection broke before the body was whole: what is answered then, nobody gets. */
    clientLeft: boolean;
    /** Why the request failed, for its log line; no session key in it. */
    failure: string | undefined;
  }
}

/** A request id is the client's to choose: what is longer is no id. */
const MAX_REQUEST_ID = 256;

/** The status of a request whose client left before it had the whole answer: no one of HTTP's, but known from proxies. */
const CLIENT_LEFT = 499;

/**
 * Counts and logs what became of each request, with the status that the client saw. At the end of the response itself:
 * interceptors of Nest never see what was refused before or beside a controller, and Fastify's `onResponse` never
 * sees a client that gave up, which in an outage most of them do.
 */
export function recordRequests(
  fastify: FastifyInstance,
  baseUri: BaseUri,
  metrics: Metrics,
  logger: Logger,
): void {
  fastify.decorateRequest('isForSession', false);
  fastify.decorateRequest('clientLeft', false);
  fastify.decorateRequest('failure', undefined);
  fastify.addHook('onRequest', (request, reply, done) => {
    request.isForSession = baseUri.covers(request.originalUrl);
    if (request.isForSession) metrics.httpInFlight.inc();
    reply.raw.once('close', () => {
      const outcome = outcomeOf(request, reply);
      if (request.isForSession) count(metrics, outcome);
      log(logger, request, outcome);
    });
    done();
  });
}

interface Outcome {
  method: string;
  status: number;
  milliseconds: number;
  reason: string | undefined;
}

function outcomeOf(request: FastifyRequest, reply: FastifyReply): Outcome {
  const { method } = request;
  const milliseconds = reply.elapsedTime;
  if (request.clientLeft || !reply.raw.writableFinished)
    return { method, milliseconds, status: CLIENT_LEFT, reason: 'The client left before it was answered' };
  return { method, milliseconds, status: reply.statusCode, reason: request.failure };
}

function count(metrics: Metrics, { method, status, milliseconds }: Outcome): void {
  const labels = { code: status, method };
  metrics.httpInFlight.dec();
  metrics.httpRequests.inc(labels);
  metrics.httpDuration.observe(labels, milliseconds / 1000);
}

/**
 * A line for each request that failed, and at level debug for every other. Never the path: it is a session key, or,
 * outside a mistaken base_uri, may hold one.
 */
function log(
  logger: Logger,
  request: FastifyRequest,
  { method, status, milliseconds, reason }: Outcome,
): void {
  if (!request.isForSession && status !== 404) return;
  const level = levelOf(request, status);
  if (!logger.isLevelEnabled(level)) return;
  logger[level]({
    msg: request.isForSession ? 'session request' : 'request outside base_uri',
    request_id: requestId(request),
    method,
    status,
    duration_ms: Math.round(milliseconds * 10) / 10,
    reason,
  });
}

function requestId(request: FastifyRequest): string | undefined {
  const id = request.headers['x-request-id'];
  return typeof id === 'string' && id !== '' ? id.slice(0, MAX_REQUEST_ID) : undefined;
}

function levelOf(request: FastifyRequest, status: number): 'debug' | 'warn' | 'error' {
  if (status >= 500) return 'error';
  const miss = status === 404 && request.sessionKey !== '';
  return status < 400 || miss ? 'debug' : 'warn';
}
