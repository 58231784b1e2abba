import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { LogBudget } from '../log-budget.js';
import { pathOf, withoutQuery } from '../modules/sessions/base-uri.js';
import { Problem } from '../problems/problem.js';
import { HEADERS, requestIdOf } from './headers.js';
import type { ManagementPort } from './management-port.js';
import { keepToProtocol } from './protocol.js';

const ALLOWED = 'GET, HEAD';
const NOTHING_HERE = new Problem('not_found', 'There is nothing at this path');

/**
 * Hooks for the requests that are for no session, in the order in which a request meets them. Before there are routes: they
 * are noted as they come.
 */
export function hookOtherRequests(
  fastify: FastifyInstance,
  management: ManagementPort,
  logger: Logger,
): void {
  const lines = new LogBudget(logger);
  const paths = new Set<string>();
  fastify.addHook('onRoute', ({ url }) => void paths.add(url));
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.headers(HEADERS);
    keepToProtocol(request.raw, reply.raw);
    if (management.misses(request.raw)) throw NOTHING_HERE;
    if (request.is404) throw noRoute(request, paths);
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    if (reply.statusCode === 404) logMiss(lines, request, reply);
    done();
  });
}

function noRoute({ originalUrl, method }: FastifyRequest, paths: ReadonlySet<string>): Problem {
  if (!paths.has(withoutQuery(pathOf(originalUrl)))) return NOTHING_HERE;
  const detail = `${method} is not allowed; ${ALLOWED} are`;
  return new Problem('method_not_allowed', detail, { allow: ALLOWED });
}

/** Never the path: where base_uri is mistaken, it may hold a session key. */
function logMiss(lines: LogBudget, { method, headers }: FastifyRequest, reply: FastifyReply): void {
  lines.write('warn', {
    msg: 'request outside base_uri',
    request_id: requestIdOf(headers),
    method,
    status: reply.statusCode,
    duration_ms: Math.round(reply.elapsedTime * 10) / 10,
    reason: 'There is nothing at this path',
  });
}
