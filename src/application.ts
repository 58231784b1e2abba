import { readFileSync } from 'node:fs';
import type { ServerOptions as HttpOptions } from 'node:http';
import type { ServerOptions as HttpsOptions } from 'node:https';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import { PARAMS_PROVIDER_TOKEN, PinoLogger } from 'nestjs-pino';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import type { Settings } from './config/settings.js';
import { keepToProtocol } from './http/protocol.js';
import { recordRequests } from './http/request-record.js';
import { answerUnparsable } from './http/unparsable.js';
import { FrameworkLogger } from './logging.js';
import { Readiness } from './modules/health/readiness.js';
import { Metrics } from './modules/metrics/metrics.js';
import { BaseUri } from './modules/sessions/base-uri.js';
import { admitSessionRequests } from './modules/sessions/session-request.js';
import { sendProblem, toProblem } from './problems/problem.filter.js';

/** A client has this long to send a request whole, in ms: slow senders must not hold connections for ever. */
const REQUEST_TIMEOUT_MS = 60_000;

/** In every answer: a session is for nobody to keep, and never a page or a script. */
const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** The whole service, ready to listen. Settings become providers, hooks are in the order in which a request meets them. */
export async function createApplication(settings: Settings, logger: Logger): Promise<NestFastifyApplication> {
  const baseUri = new BaseUri(settings.base_uri);
  const adapter = new FastifyAdapter(serverOptions(settings, baseUri, logger));
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(settings, logger, baseUri.route),
    adapter,
    {
      // What fails while it is put together is thrown, and told in one line by main.ts.
      logger: false,
      bodyParser: false,
      abortOnError: false,
    },
  );
  app.useLogger(new FrameworkLogger(await app.resolve(PinoLogger), app.get(PARAMS_PROVIDER_TOKEN)));
  const fastify = app.getHttpAdapter().getInstance();
  recordRequests(fastify, baseUri, app.get(Metrics), logger);
  setHeaders(fastify, app.get(Readiness));
  keepToProtocol(fastify);
  admitSessionRequests(fastify, baseUri, settings.max_value_bytes);
  return app;
}

function serverOptions(settings: Settings, baseUri: BaseUri, logger: Logger): FastifyServerOptions {
  return {
    rewriteUrl: (request) => {
      const target = request.url ?? '/';
      return baseUri.covers(target) ? baseUri.route : target;
    },
    frameworkErrors: (error, request, reply) =>
      sendProblem(toProblem(error), request, reply.headers(HEADERS)),
    clientErrorHandler: answerUnparsable(logger, HEADERS),
    requestTimeout: REQUEST_TIMEOUT_MS,
    bodyLimit: Number.MAX_SAFE_INTEGER, // the parser of values has the limit
    // Fastify would load its compilers of JSON schemas, a tenth of the time that a start takes.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    // While shutting down, requests on open connections are served; see serve.ts.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    ...nodeServer(settings.tls),
  };
}

function noSchemas(): never {
  throw new Error('a route has a JSON schema, and nothing here compiles one');
}

/** Node would refuse a request without Host by itself, with no problem document and past the metrics: see http/protocol.ts. */
function nodeServer(tls: Settings['tls']): { http: HttpOptions } | { https: HttpsOptions } {
  const requireHostHeader = false;
  if (!tls) return { http: { requireHostHeader } };
  return { https: { requireHostHeader, cert: readFileSync(tls.cert), key: readFileSync(tls.key) } };
}

function setHeaders(fastify: FastifyInstance, readiness: Readiness): void {
  fastify.addHook('onRequest', (_request, reply, done) => {
    reply.headers(HEADERS);
    // Who keeps connections learns from his next answer to open the one after elsewhere.
    if (readiness.isLeaving) reply.header('connection', 'close');
    done();
  });
}
