import { readFileSync } from 'node:fs';
import { type ServerOptions as HttpOptions, type ServerResponse, STATUS_CODES } from 'node:http';
import type { ServerOptions as HttpsOptions } from 'node:https';
import type { Socket } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import { PARAMS_PROVIDER_TOKEN, PinoLogger } from 'nestjs-pino';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import type { Settings } from './config/settings.js';
import { FrameworkLogger, logRequests } from './logging.js';
import { Readiness } from './modules/health/readiness.js';
import { Metrics } from './modules/metrics/metrics.js';
import { measureRequests } from './modules/metrics/request-metrics.js';
import { BaseUri } from './modules/sessions/base-uri.js';
import { admitSessionRequests } from './modules/sessions/session-request.js';
import { Problem, PROBLEM_CONTENT_TYPE } from './problems/problem.js';
import { sendProblem, toProblem } from './problems/problem.filter.js';

/** A client has this long to send a request whole, in ms: slow senders must not hold connections for ever. */
const REQUEST_TIMEOUT_MS = 60_000;

/** In every answer: a session is for nobody to keep, and never a page or a script. */
const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** The whole service, ready to listen. Settings become providers, hooks are in the order in which a request meets them. */
export async function createApplication(settings: Settings, logger: Logger): Promise<NestFastifyApplication> {
  const baseUri = new BaseUri(settings.base_uri);
  const adapter = new FastifyAdapter(serverOptions(settings, baseUri));
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
  answerEveryExpectation(fastify);
  setHeaders(fastify, app.get(Readiness));
  measureRequests(fastify, baseUri, app.get(Metrics));
  logRequests(fastify, baseUri, logger);
  requireHost(fastify);
  takeTurns(fastify);
  admitSessionRequests(fastify, baseUri, settings.max_value_bytes);
  return app;
}

function serverOptions(settings: Settings, baseUri: BaseUri): FastifyServerOptions {
  return {
    rewriteUrl: (request) => {
      const target = request.url ?? '/';
      return baseUri.covers(target) ? baseUri.route : target;
    },
    frameworkErrors: (error, request, reply) =>
      sendProblem(toProblem(error), request, reply.headers(HEADERS)),
    clientErrorHandler: answerUnparsable,
    requestTimeout: REQUEST_TIMEOUT_MS,
    bodyLimit: Number.MAX_SAFE_INTEGER, // the parser of values has the limit
    // While shutting down, requests on open connections are served; see serve.ts.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    ...nodeServer(settings.tls),
  };
}

/** Node would refuse a request without Host by itself, with no problem document and past the metrics: see requireHost. */
function nodeServer(tls: Settings['tls']): { http: HttpOptions } | { https: HttpsOptions } {
  const requireHostHeader = false;
  if (!tls) return { http: { requireHostHeader } };
  return { https: { requireHostHeader, cert: readFileSync(tls.cert), key: readFileSync(tls.key) } };
}

/**
 * Node would say 100 before we have looked at the request, and answer an expectation that it does not know with a bare
 * 417; a server may also ignore it (RFC 9110 section 10.1.1).
 */
function answerEveryExpectation({ server }: FastifyInstance): void {
  for (const event of ['checkContinue', 'checkExpectation'])
    server.on(event, (request, response) => server.emit('request', request, response));
}

function setHeaders(fastify: FastifyInstance, readiness: Readiness): void {
  fastify.addHook('onRequest', (_request, reply, done) => {
    reply.headers(HEADERS);
    // Who keeps connections learns from his next answer to open the one after elsewhere.
    if (readiness.isLeaving) reply.header('connection', 'close');
    done();
  });
}

/** RFC 9112 section 3.2. */
function requireHost(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', ({ raw }, _reply, done) => {
    if (raw.httpVersion === '1.1' && raw.headers.host === undefined)
      throw new Problem('bad_request', 'The request has no Host header');
    done();
  });
}

/**
 * Node starts the requests that a client sends without waiting for answers all at once; a read after a write has to
 * see it (RFC 9112 section 9.3.2).
 */
function takeTurns(fastify: FastifyInstance): void {
  const latest = new WeakMap<Socket, ServerResponse>();
  fastify.addHook('onRequest', ({ raw: { socket } }, reply, done) => {
    const before = latest.get(socket);
    latest.set(socket, reply.raw);
    if (!before || before.closed) return done();
    before.once('close', () => done());
  });
}

const UNPARSABLE: Record<string, Problem> = {
  HPE_HEADER_OVERFLOW: new Problem('headers_too_large'),
  ERR_HTTP_REQUEST_TIMEOUT: new Problem('request_timeout'),
};

/** What Node could not read as HTTP has no request; the answer is written to the socket. */
function answerUnparsable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const problem = UNPARSABLE[error.code ?? ''] ?? new Problem('bad_request', 'This is not an HTTP request');
  const document = problem.document('/');
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `Content-Type: ${PROBLEM_CONTENT_TYPE}`,
    `Content-Length: ${Buffer.byteLength(document)}`,
    ...Object.entries(HEADERS).map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${document}`);
}
