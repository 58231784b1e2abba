import { setTimeout as sleep } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import type { Settings } from '../config/settings.js';
import { createLogger } from '../logging.js';
import { Namespaces } from '../modules/namespaces/namespaces.js';
import { SessionStore } from '../modules/storage/session-store.js';
import { ImportModule } from './import.module.js';
import type { Keep } from './session-import.js';

/** A storage that is there has answered by then, in ms. */
const PATIENCE_MS = 10_000;
const RETRY_MS = 250;

export interface ImportStorage {
  keep: Keep;
  close(): Promise<void>;
}

/** The storage that a service with these settings has, encryption and all. Throws the StorageError if it is away. */
export async function openStorage(settings: Settings): Promise<ImportStorage> {
  const logger = createLogger({ ...settings, log_level: 'warning' }, process.stderr);
  const context = await NestFactory.createApplicationContext(ImportModule.with(settings, logger), {
    logger: false,
    abortOnError: false,
  });
  const close = (): Promise<void> => context.close();
  const store = context.get(SessionStore);
  const namespaces = context.get(Namespaces);
  try {
    await answering(store);
  } catch (error) {
    await close();
    throw error;
  }
  const keep: Keep = (key, value, ttlSeconds) =>
    namespaces.of(key).isAtomic
      ? store.setIf(key, 'absent', value, ttlSeconds)
      : store.adopt(key, value, ttlSeconds);
  return { keep, close };
}

async function answering(store: SessionStore): Promise<void> {
  const began = performance.now();
  for (;;) {
    try {
      return await store.probe();
    } catch (error) {
      if (performance.now() - began > PATIENCE_MS) throw error;
      await sleep(RETRY_MS);
    }
  }
}
