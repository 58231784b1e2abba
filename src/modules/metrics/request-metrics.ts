import type { FastifyInstance } from 'fastify';
import type { BaseUri } from '../sessions/base-uri.js';
import type { Metrics } from './metrics.js';

/**
 * Counts requests under `base_uri` with the status that the client saw. In Fastify's hooks, as interceptors of Nest
 * never see what was refused before or beside a controller (403, 405, 413).
 */
export function measureRequests(fastify: FastifyInstance, baseUri: BaseUri, metrics: Metrics): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    if (baseUri.covers(request.originalUrl)) {
      metrics.httpInFlight.inc();
      // Not onResponse: a client that leaves before its answer ends the request too.
      reply.raw.once('close', () => metrics.httpInFlight.dec());
    }
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    if (baseUri.covers(request.originalUrl)) {
      const labels = { code: reply.statusCode, method: request.method };
      metrics.httpRequests.inc(labels);
      metrics.httpDuration.observe(labels, reply.elapsedTime / 1000);
    }
    done();
  });
}
