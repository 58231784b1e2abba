import type { RequestTrace } from '../../tracing/request-trace.js';
import type { Metrics, StorageOperation, StorageResult } from '../metrics/metrics.js';
import { Admission } from './admission.js';
import { type Condition, type Renewal, type Session, SessionStore } from './session-store.js';
import { StorageError } from './storage-error.js';

/** Counts and times what another store does, latency of the storage apart from that of HTTP, and bounds what it has to do at once. */
export class MeasuredSessionStore extends SessionStore {
  private readonly plain = new Admission();
  /** Their own, as they wait for each other and for other datacenters: who does without them waits for neither. */
  private readonly conditional = new Admission();
  /** Deletes have none: few, small, and nobody tries a logout again. Nor are they counted: they wait for other datacenters too. */
  private readonly admissions: Record<StorageOperation, Admission | undefined> = {
    get: this.plain,
    set: this.plain,
    touch: this.plain,
    delete: undefined,
    set_if: this.conditional,
    touch_if: this.conditional,
    delete_if: undefined,
  };

  constructor(
    private readonly store: SessionStore,
    private readonly metrics: Metrics,
  ) {
    super();
    metrics.gauge(
      'kask_storage_operations_limit',
      'Reads and writes beyond so many in flight are refused; follows what the storage sustains',
      () => this.plain.limit,
    );
    metrics.gauge(
      'kask_storage_conditional_writes_limit',
      'Conditional writes and renewals beyond so many in flight are refused; follows what the storage sustains',
      () => this.conditional.limit,
    );
  }

  get(key: string, trace?: RequestTrace): Promise<Session | undefined> {
    return this.measure('get', () => this.store.get(key, trace), resultOf);
  }

  set(
    key: string,
    value: Buffer,
    ttlSeconds: number,
    hiding?: readonly string[],
    trace?: RequestTrace,
  ): Promise<void> {
    return this.measure('set', () => this.store.set(key, value, ttlSeconds, hiding, trace), ok);
  }

  delete(key: string, hidden?: readonly string[], trace?: RequestTrace): Promise<void> {
    return this.measure('delete', () => this.store.delete(key, hidden, trace), ok);
  }

  touch(
    key: string,
    ttlSeconds: number,
    trace?: RequestTrace,
    renewalOf?: (value: Buffer) => Renewal | undefined,
  ): Promise<Session | undefined> {
    return this.measure('touch', () => this.store.touch(key, ttlSeconds, trace, renewalOf), resultOf);
  }

  setIf(
    key: string,
    condition: Condition,
    value: Buffer,
    ttlSeconds: number,
    trace?: RequestTrace,
  ): Promise<boolean> {
    return this.measure('set_if', () => this.store.setIf(key, condition, value, ttlSeconds, trace), resultOf);
  }

  touchIf(
    key: string,
    condition: Condition,
    ttlSeconds: number,
    trace?: RequestTrace,
  ): Promise<Session | undefined | false> {
    return this.measure('touch_if', () => this.store.touchIf(key, condition, ttlSeconds, trace), resultOf);
  }

  deleteIf(key: string, condition: Condition, trace?: RequestTrace): Promise<boolean> {
    return this.measure('delete_if', () => this.store.deleteIf(key, condition, trace), resultOf);
  }

  /** Not counted: no user waits for it, nor for a probe. */
  adopt(key: string, value: Buffer, ttlSeconds: number): Promise<void> {
    return this.store.adopt(key, value, ttlSeconds);
  }

  probe(): Promise<void> {
    return this.store.probe();
  }

  /** Refuses what is too much; else looks on: whoever asked waits for the store's own promise. */
  private measure<T>(
    operation: StorageOperation,
    ask: () => Promise<T>,
    result: (value: T) => StorageResult,
  ): Promise<T> {
    const admission = this.admissions[operation];
    if (admission?.isFull) return this.refuse(operation);
    const pending = ask();
    const start = performance.now();
    admission?.begin();
    const count = (outcome: StorageResult): void => {
      const now = performance.now();
      admission?.end(now, now - start);
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

function resultOf(found: Session | boolean | undefined): StorageResult {
  if (found === undefined) return 'miss';
  return found === false ? 'unmet' : 'ok';
}
