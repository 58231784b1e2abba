import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyServerOptions } from 'fastify';
import { PARAMS_PROVIDER_TOKEN, PinoLogger } from 'nestjs-pino';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import type { Settings } from './config/settings.js';
import type { SettingsSource } from './config/settings-source.js';
import { ConnectionLimits, descriptorsForConnections } from './http/connection-limits.js';
import { HttpConnections } from './http/http-connections.js';
import { HEADERS } from './http/headers.js';
import { ManagementPort } from './http/management-port.js';
import { hookOtherRequests } from './http/other-requests.js';
import { ServerTls } from './http/server-tls.js';
import { createServer } from './http/server.js';
import { answerUnparsable } from './http/unparsable.js';
import type { LogOutputs } from './log-outputs.js';
import { FrameworkLogger } from './logging.js';
import { Metrics } from './modules/metrics/metrics.js';
import { BaseUri } from './modules/sessions/base-uri.js';
import { SessionRequests } from './modules/sessions/session-requests.js';
import { sendProblem } from './problems/problem.filter.js';
import { toProblem } from './problems/to-problem.js';

/** Of the management port: scrapers and probes are few. */
const MANAGEMENT_CONNECTIONS = 128;

/**
 * The whole service, ready to listen. One server of Node's has two ways in: requests for sessions go straight to their
 * module, and all others through Fastify and Nest's router.
 */
export async function createApplication(
  settings: Settings,
  source: SettingsSource,
  logger: Logger,
  outputs: Pick<LogOutputs, 'dropped'>,
): Promise<NestFastifyApplication> {
  const tls = settings.tls && new ServerTls(settings.tls);
  const server = createServer(tls);
  const management = new ManagementPort(settings.management && createServer(undefined));
  const connections = new HttpConnections();
  const limits = limitsOf(settings, logger);
  connections.follow(server, limits);
  let toNest!: RequestListener;
  const options: FastifyServerOptions = {
    serverFactory: (handler) => {
      toNest = handler;
      return server;
    },
    frameworkErrors: (error, { originalUrl }, reply) =>
      sendProblem(toProblem(error), app.get(BaseUri).instanceOf(originalUrl), reply.headers(HEADERS)),
    clientErrorHandler: answerUnparsable(connections, logger, HEADERS),
    // Fastify would load its compilers of JSON schemas, a tenth of the time that a start takes.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    // While shutting down, requests on open connections are served; see serve.ts.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
  };
  const app: NestFastifyApplication = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(logger, { settings, source, connections, management }),
    new FastifyAdapter(options),
    // What fails while it is put together is thrown, and told in one line by main.ts.
    { logger: false, bodyParser: false, abortOnError: false },
  );
  app.useLogger(new FrameworkLogger(await app.resolve(PinoLogger), app.get(PARAMS_PROVIDER_TOKEN)));
  hookOtherRequests(app.getHttpAdapter().getInstance(), management, logger);
  tls?.follow(server, connections, app.get(Metrics), logger);
  app.get(Metrics).exposeConnections(connections, limits);
  app.get(Metrics).exposeLogOutputs(outputs);
  const baseUri = app.get(BaseUri);
  const sessions = app.get(SessionRequests);
  const serveOther = (request: IncomingMessage, response: ServerResponse): void =>
    connections.of(request).begin(response, () => toNest(request, response));
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    if (baseUri.covers(request.url as string)) sessions.serve(request, response);
    else serveOther(request, response);
  };
  server.on('request', serve);
  if (management.server) {
    connections.follow(management.server, new ConnectionLimits(MANAGEMENT_CONNECTIONS));
    management.server.on('clientError', answerUnparsable(connections, logger, HEADERS));
    // The page asks its own origin for sessions: connect-src 'self'.
    management.server.on('request', settings.docs_page ? serve : serveOther);
  }
  return app;
}

function limitsOf({ limits }: Settings, logger: Logger): ConnectionLimits {
  const possible = descriptorsForConnections();
  if (possible < limits.connections)
    logger.warn({ limit: possible }, 'fewer file descriptors than limits.connections asks for (ulimit -n)');
  return new ConnectionLimits(Math.min(limits.connections, possible), limits.connections_per_peer);
}

function noSchemas(): never {
  throw new Error('a route has a JSON schema, and nothing here compiles one');
}
