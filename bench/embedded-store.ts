import { PinoLogger } from 'nestjs-pino';
import { Registry } from 'prom-client';
import { Settings } from '../src/config/settings.js';
import { Metrics } from '../src/modules/metrics/metrics.js';
import { EmbeddedSessionStore } from '../src/modules/storage/embedded/embedded-session-store.js';

/** The embedded store as the service has it, with nobody who scrapes it and no log. */
export function openStore(directory: string): EmbeddedSessionStore {
  const settings = Object.assign(new Settings(), { embedded: { path: directory } });
  const logger = new PinoLogger({ pinoHttp: { level: 'silent' } });
  return new EmbeddedSessionStore(settings, new Metrics(new Registry()), logger);
}

/** Scattered, as session keys are: keys that come in order would leave the pages of the tree half empty. */
export function key(number: number): string {
  const scattered = Math.imul(number, 0x9e3779b1) >>> 0;
  return `wiki:MWSession:${scattered.toString(16).padStart(8, '0').repeat(4)}`;
}
