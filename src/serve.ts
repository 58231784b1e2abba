import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import type { Settings } from './config/settings.js';
import { HttpConnections } from './http/http-connections.js';
import { Readiness } from './modules/health/readiness.js';
import type { StopSignals } from './stop-signals.js';

/** Connections without a request are closed this often, in ms, while the server drains. */
const CLOSE_IDLE_EVERY_MS = 50;

/** A connection that clients keep is closed when it had no request for so long, in ms; beyond what proxies keep theirs. */
const KEEP_IDLE_MS = 72_000;
const LOOK_FOR_IDLE_EVERY_MS = 5_000;

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
    connections.endExpired();
  }, LOOK_FOR_IDLE_EVERY_MS).unref();
  await app.listen({
    port: settings.listen_port,
    host: oneAddress(settings.listen_address),
    backlog: BACKLOG,
  });
  logger.info(
    { origin: originOf(app, settings), base_uri: settings.base_uri, storage: settings.storage },
    'listening',
  );
  return {
    leaveOn: async (signals) => {
      await stillServe(app, settings, logger, signals);
      return drain(app, settings, logger, connections);
    },
  };
}

/**
 * For `localhost` Fastify would open a second server on the other address: one without our answers to what is not
 * HTTP, and that a shutdown does not wait for.
 */
function oneAddress(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host;
}

function originOf(app: NestFastifyApplication, settings: Settings): string {
  const { address, port, family } = app.getHttpServer().address() as AddressInfo;
  return `${settings.tls ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
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
