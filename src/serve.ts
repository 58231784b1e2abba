import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import type { Settings } from './config/settings.js';
import { Readiness } from './modules/health/readiness.js';
import { Metrics } from './modules/metrics/metrics.js';

/** Connections that went idle since the last look are closed this often, in ms, while the server drains. */
const CLOSE_IDLE_EVERY_MS = 50;

/** Listens, and leaves in order when told to: resolves with the exit code of the process. */
export async function serve(
  app: NestFastifyApplication,
  settings: Settings,
  logger: Logger,
): Promise<number> {
  const signalled = firstSignal();
  await app.listen(settings.listen_port, oneAddress(settings.listen_address));
  logger.info(
    { origin: originOf(app, settings), base_uri: settings.base_uri, storage: settings.storage },
    'listening',
  );
  const signal = await signalled;
  return drain(app, settings, logger, signal);
}

/**
 * For `localhost` Fastify would open a second server on the other address: one without our answers to what is not
 * HTTP, and that a shutdown does not wait for.
 */
function oneAddress(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host;
}

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
}

function originOf(app: NestFastifyApplication, settings: Settings): string {
  const { address, port, family } = app.getHttpServer().address() as AddressInfo;
  return `${settings.tls ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

/**
 * Not ready at once, but serving until whoever balances the load has seen it; then no new connections, what is in
 * flight is finished, storage is closed last. Past the deadline the process says what it cuts and exits with 1.
 */
async function drain(
  app: NestFastifyApplication,
  settings: Settings,
  logger: Logger,
  signal: string,
): Promise<number> {
  app.get(Readiness).leave();
  logger.info(
    { signal, delay_ms: settings.shutdown_delay_ms },
    'shutting down: not ready any more, still serving',
  );
  await sleep(settings.shutdown_delay_ms);
  const server = app.getHttpServer();
  const closeIdle = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
  const late = sleep(settings.shutdown_timeout_ms, 'late' as const, { ref: false });
  const outcome = await Promise.race([app.close(), late]);
  clearInterval(closeIdle);
  if (outcome !== 'late') return 0;
  const { values } = await app.get(Metrics).httpInFlight.get();
  logger.error({ requests: values[0]?.value ?? 0 }, 'shut down too slowly: requests in flight were cut');
  return 1;
}
