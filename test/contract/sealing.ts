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
  return sealed(opened, ['value a', 'next-row b', 'row a'], '9999-12-31');
}

/** The same, where every session has one place. */
export function settled(opened: OpenStore): OpenStore {
  return sealed(opened, ['value a', 'row a']);
}

function sealed(opened: OpenStore, keys: string[], read_unencrypted_until?: string): OpenStore {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-sealing-'));
  const key_file = path.join(directory, 'keys');
  new SealingKeyFiles().write(key_file, keys);
  const store = new SealedSessionStore(
    opened.store,
    { key_file, read_unencrypted_until },
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
