import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PinoLogger } from 'nestjs-pino';
import { Registry } from 'prom-client';
import { Settings } from '../../src/config/settings.js';
import { Metrics } from '../../src/modules/metrics/metrics.js';
import { EmbeddedSessionStore } from '../../src/modules/storage/embedded/embedded-session-store.js';
import { conditionalWritesContract } from './conditional-writes-contract.js';
import { sealing, settled } from './sealing.js';
import { hidingKeysContract, type OpenStore, sessionStoreContract } from './session-store-contract.js';
import { timedWritesContract } from './timed-writes-contract.js';

sessionStoreContract('the embedded store', open);
timedWritesContract('the embedded store', open);
conditionalWritesContract('the embedded store', open);
hidingKeysContract('the embedded store', open);
sessionStoreContract('the embedded store, sealed', async () => sealing(await open()));
timedWritesContract('the embedded store, sealed', async () => sealing(await open()));
conditionalWritesContract('the embedded store, sealed', async () => settled(await open()));

function open(): Promise<OpenStore> {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-contract-'));
  const settings = Object.assign(new Settings(), { storage: 'embedded', embedded: { path: directory } });
  const logger = new PinoLogger({ pinoHttp: { level: 'silent' } });
  const store = new EmbeddedSessionStore(settings, new Metrics(new Registry()), logger);
  const close = async (): Promise<void> => {
    await store.onApplicationShutdown();
    rmSync(directory, { recursive: true });
  };
  return Promise.resolve({ store, expiryToleranceMs: 20, close });
}
