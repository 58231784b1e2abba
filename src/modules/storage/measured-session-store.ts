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
    return this.measure('set', this.store.set(key, value, ttlSeconds));
  }

  delete(key: string): Promise<void> {
    return this.measure('delete', this.store.delete(key));
  }

  /** Not counted: a probe is no user's. */
  probe(): Promise<void> {
    return this.store.probe();
  }

  private async measure<T>(
    operation: StorageOperation,
    pending: Promise<T>,
    result: (value: T) => StorageResult = () => 'ok',
  ): Promise<T> {
    const end = this.metrics.operationDuration.startTimer({ operation });
    try {
      const value = await pending;
      this.metrics.operations.inc({ operation, result: result(value) });
      return value;
    } catch (error) {
      this.metrics.operations.inc({
        operation,
        result: error instanceof StorageError ? error.kind : 'error',
      });
      throw error;
    } finally {
      end();
    }
  }
}
