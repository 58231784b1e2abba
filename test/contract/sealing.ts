import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PinoLogger } from 'nestjs-pino';
import { Registry } from 'prom-client';
import { Settings } from '../../src/config/settings.js';
import { Metrics } from '../../src/modules/metrics/metrics.js';
import { SealedSessionStore } from '../../src/modules/storage/sealed/sealed-session-store.js';
import { SealingKeyFiles } from '../harness/sealing-keys.js';
import type { OpenStore } from './session-store-contract.js';

/** The same store with what it keeps sealed, amid a change of row secrets and a migration. */
export function sealing(opened: OpenStore): OpenStore {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-sealing-'));
  const key_file = path.join(directory, 'keys');
  new SealingKeyFiles().write(key_file, ['value a', 'next-row b', 'row a']);
  const store = new SealedSessionStore(
    opened.store,
    { key_file, read_unencrypted_until: '9999-12-31' },
    new Settings(),
    new Metrics(new Registry()),
    new PinoLogger({ pinoHttp: { level: 'silent' } }),
  );
  const close = async (): Promise<void> => {
    store.onApplicationShutdown();
    await opened.close();
    rmSync(directory, { recursive: true });
  };
  return { ...opened, store, close };
}
