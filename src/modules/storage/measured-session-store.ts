import type { Metrics, StorageOperation, StorageResult } from '../metrics/metrics.js';
import { SessionStore } from './session-store.js';
import { StorageError } from './storage-error.js';

/** Counts and times what another store does; latency of the storage apart from that of HTTP. */
export class MeasuredSessionStore extends SessionStore {
  constructor(
    private readonly store: SessionStore,
    private readonly metrics: Metrics,
  ) {
    super();
  }

  get(key: string): Promise<Buffer | undefined> {
    return this.measure('get', this.store.get(key), (value) => (value === undefined ? 'miss' : 'ok'));
  }

  set(key: string, value: Buffer, ttlSeconds: number): Promise<void> {
    return this.measure('set', this.store.set(key, value, ttlSeconds), ok);
  }

  delete(key: string): Promise<void> {
    return this.measure('delete', this.store.delete(key), ok);
  }

  /** Not counted: a probe is no user's. */
  probe(): Promise<void> {
    return this.store.probe();
  }

  /** Looks on: whoever asked waits for the store's own promise. */
  private measure<T>(
    operation: StorageOperation,
    pending: Promise<T>,
    result: (value: T) => StorageResult,
  ): Promise<T> {
    const start = performance.now();
    const count = (outcome: StorageResult): void =>
      this.metrics.countOperation(operation, outcome, (performance.now() - start) / 1000);
    pending.then(
      (value) => count(result(value)),
      (error: unknown) => count(error instanceof StorageError ? error.kind : 'error'),
    );
    return pending;
  }
}

function ok(): StorageResult {
  return 'ok';
}
