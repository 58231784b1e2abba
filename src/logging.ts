import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Logger as NestLogger } from 'nestjs-pino';
import { type DestinationStream, type Logger, pino } from 'pino';
import type { Settings } from './config/settings.js';
import type { BaseUri } from './modules/sessions/base-uri.js';

/** The names of levels in a log line, as log collectors of the service before this one know them. */
const LEVEL_NAMES: Record<string, string> = {
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
  fatal: 'FATAL',
};

/** A request id is the client's to choose: what is longer is no id. */
const MAX_REQUEST_ID = 256;

/** One JSON object a line: `msg`, `appname`, `time`, `level` and, in lines about a request that has one, `request_id`. */
export function createLogger(
  settings: Pick<Settings, 'service_name' | 'log_level'>,
  destination?: DestinationStream,
): Logger {
  const options = {
    level: settings.log_level === 'warning' ? 'warn' : settings.log_level,
    base: { appname: settings.service_name },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: LEVEL_NAMES[label] ?? 'DEBUG' }) },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** What Nest tells of its own start is for who debugs it; what our services tell goes through PinoLogger. */
export class FrameworkLogger extends NestLogger {
  override log(message: unknown, ...parameters: unknown[]): void {
    this.debug(message, ...parameters);
  }
}

/**
 * A line for each request that failed, and at level debug for every other. Never the path: it is a session key, or,
 * outside a mistaken base_uri, may hold one.
 */
export function logRequests(fastify: FastifyInstance, baseUri: BaseUri, logger: Logger): void {
  fastify.decorateRequest('failure', undefined);
  fastify.addHook('onResponse', (request, reply, done) => {
    if (baseUri.covers(request.originalUrl)) logAnswer(logger, 'session request', request, reply);
    else if (reply.statusCode === 404) logAnswer(logger, 'request outside base_uri', request, reply);
    done();
  });
}

function logAnswer(logger: Logger, msg: string, request: FastifyRequest, reply: FastifyReply): void {
  const level = levelOf(request, reply);
  if (!logger.isLevelEnabled(level)) return;
  logger[level]({
    msg,
    request_id: requestId(request),
    method: request.method,
    status: reply.statusCode,
    duration_ms: Math.round(reply.elapsedTime * 10) / 10,
    reason: request.failure,
  });
}

function requestId(request: FastifyRequest): string | undefined {
  const id = request.headers['x-request-id'];
  return typeof id === 'string' && id !== '' ? id.slice(0, MAX_REQUEST_ID) : undefined;
}

function levelOf(request: FastifyRequest, reply: FastifyReply): 'debug' | 'warn' | 'error' {
  if (reply.statusCode >= 500) return 'error';
  const miss = reply.statusCode === 404 && request.sessionKey !== '';
  return reply.statusCode < 400 || miss ? 'debug' : 'warn';
}
