import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import type { Settings } from './config/settings.js';
import { HttpConnections } from './http/http-connections.js';
import { ManagementPort } from './http/management-port.js';
import { clearStaleSocket, SOCKET_UMASK } from './http/unix-socket.js';
import { Readiness } from './modules/health/readiness.js';
import type { StopSignals } from './stop-signals.js';

/** Connections without a request are closed this often, in ms, while the server drains. */
const CLOSE_IDLE_EVERY_MS = 50;

/** A connection that clients keep is closed when it had no request for so long, in ms; beyond what proxies keep theirs. */
const KEEP_IDLE_MS = 72_000;
const LOOK_AT_CONNECTIONS_EVERY_MS = 5_000;

/**
 * Connections that wait to be taken, at most; the kernel has a limit of its own, mostly 4,096. Clients of PHP open one for
 * each request, and one that finds no place there tries again after a second.
 */
const BACKLOG = 4_096;

/** A service that listens. */
export interface Listening {
  /** Leaves in order once told to: resolves with the exit code of the process. */
  leaveOn(signals: StopSignals): Promise<number>;
}

export async function listen(
  app: NestFastifyApplication,
  settings: Settings,
  logger: Logger,
): Promise<Listening> {
  const connections = app.get(HttpConnections);
  setInterval(() => {
    connections.closeIdleSince(performance.now() - KEEP_IDLE_MS);
    connections.closeSlowAndGone();
    connections.endExpired();
  }, LOOK_AT_CONNECTIONS_EVERY_MS).unref();
  // Probes come as soon as a port is open, and a request before Fastify is ready ends the process.
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  const management = await listenForManagement(app.get(ManagementPort), settings);
  await listenForSessions(app, settings);
  const { base_uri, storage } = settings;
  const origin = originOf(app.getHttpServer(), settings.tls !== undefined);
  logger.info({ origin, management, base_uri, storage }, 'listening');
  return {
    leaveOn: async (signals) => {
      await stillServe(app, settings, logger, signals);
      return drain(app, settings, logger, connections);
    },
  };
}

async function listenForSessions(app: NestFastifyApplication, settings: Settings): Promise<void> {
  const { listen_socket: path, listen_address, listen_port } = settings;
  if (path === undefined) {
    await app.listen({ port: listen_port, host: oneAddress(listen_address), backlog: BACKLOG });
    return;
  }
  await clearStaleSocket(path);
  // From the first moment on, and no permission is needed to change it afterwards.
  const umask = process.umask(SOCKET_UMASK);
  try {
    await app.listen({ path, backlog: BACKLOG });
  } finally {
    process.umask(umask);
  }
}

/** Resolves with the origin of the second port, if there is one. */
async function listenForManagement(
  { server }: ManagementPort,
  settings: Settings,
): Promise<string | undefined> {
  if (!server || !settings.management) return undefined;
  const { listen_address, listen_port } = settings.management;
  server.listen({ port: listen_port, host: oneAddress(listen_address) });
  await once(server, 'listening');
  return originOf(server, false);
}

/**
 * For `localhost` Fastify would open a second server on the other address: one without our answers to what is not
 * HTTP, and that a shutdown does not wait for.
 */
function oneAddress(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host;
}

function originOf(server: Server, isTls: boolean): string {
  const address = server.address() as AddressInfo | string;
  if (typeof address === 'string') return `unix:${address}`;
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `${isTls ? 'https' : 'http'}://${host}:${address.port}`;
}

/** From the signal on not ready, but serving until whoever balances the load has seen it, or a second signal comes. */
async function stillServe(
  app: NestFastifyApplication,
  settings: Settings,
  logger: Logger,
  signals: StopSignals,
): Promise<void> {
  const signal = await signals.first;
  app.get(Readiness).leave();
  app.get(HttpConnections).leave();
  logger.info(
    { signal, delay_ms: settings.shutdown_delay_ms },
    'shutting down: not ready any more, still serving',
  );
  const hurry = await Promise.race([signals.second, sleep(settings.shutdown_delay_ms, undefined)]);
  if (hurry) logger.info({ signal: hurry }, 'told again to stop: not waiting for load balancers');
}

/**
 * No new connections, what is in flight is finished, storage is closed last. Past the deadline the process says what
 * it cuts and exits with 1.
 */
async function drain(
  app: NestFastifyApplication,
  settings: Settings,
  logger: Logger,
  connections: HttpConnections,
): Promise<number> {
  const closeIdle = setInterval(() => connections.closeWithoutRequest(), CLOSE_IDLE_EVERY_MS);
  const late = sleep(settings.shutdown_timeout_ms, 'late' as const, { ref: false });
  const outcome = await Promise.race([app.close(), late]);
  clearInterval(closeIdle);
  if (outcome !== 'late') return 0;
  const requests = connections.requestsInFlight;
  if (requests === 0) {
    logger.warn('shut down too slowly: the storage was not closed in time');
    return 0;
  }
  logger.error({ requests }, 'shut down too slowly: requests in flight were cut');
  return 1;
}
