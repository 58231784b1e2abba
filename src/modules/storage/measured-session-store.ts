import type { RequestTrace } from '../../tracing/request-trace.js';
import type { Metrics, StorageOperation, StorageResult } from '../metrics/metrics.js';
import { Admission } from './admission.js';
import { SessionStore } from './session-store.js';
import { StorageError } from './storage-error.js';

/** Counts and times what another store does, latency of the storage apart from that of HTTP, and bounds what it has to do at once. */
export class MeasuredSessionStore extends SessionStore {
  private readonly admission = new Admission();

  constructor(
    private readonly store: SessionStore,
    private readonly metrics: Metrics,
  ) {
    super();
    metrics.gauge(
      'kask_storage_operations_limit',
      'Reads and writes beyond so many in flight are refused; follows what the storage sustains',
      () => this.admission.limit,
    );
  }

  get(key: string, trace?: RequestTrace): Promise<Buffer | undefined> {
    if (this.admission.isFull) return this.refuse('get');
    return this.measure('get', this.store.get(key, trace), (value) => (value === undefined ? 'miss' : 'ok'));
  }

  set(
    key: string,
    value: Buffer,
    ttlSeconds: number,
    hiding?: readonly string[],
    trace?: RequestTrace,
  ): Promise<void> {
    if (this.admission.isFull) return this.refuse('set');
    return this.measure('set', this.store.set(key, value, ttlSeconds, hiding, trace), ok);
  }

  /** Never refused: few, small, and nobody tries a logout again. Nor counted, as it waits for other datacenters as well. */
  delete(key: string, hidden?: readonly string[], trace?: RequestTrace): Promise<void> {
    return this.measure('delete', this.store.delete(key, hidden, trace), ok);
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
    const isBounded = operation !== 'delete';
    if (isBounded) this.admission.begin();
    const count = (outcome: StorageResult): void => {
      const now = performance.now();
      if (isBounded) this.admission.end(now, now - start);
      this.metrics.countOperation(operation, outcome, (now - start) / 1000);
    };
    pending.then(
      (value) => count(result(value)),
      (error: unknown) => count(error instanceof StorageError ? error.kind : 'error'),
    );
    return pending;
  }

  private refuse(operation: StorageOperation): Promise<never> {
    this.metrics.countRefusal(operation);
    return Promise.reject(new StorageError('unavailable', 'it has more to do than it can do in time'));
  }
}

function ok(): StorageResult {
  return 'ok';
}
