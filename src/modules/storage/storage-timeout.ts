import type { Settings } from '../../config/settings.js';
import { StorageError } from './storage-error.js';

/** Of the time for a request, what is left for the rest: reading it, writing the answer, a timer that is late; in ms. */
const FOR_THE_REST_MS = 50;

/** What a request may wait for the storage, in ms, so that it is answered within `request_timeout_ms`. */
export function storageTimeoutMs({ storage, request_timeout_ms, cassandra }: Settings): number {
  const timeoutMs = request_timeout_ms - FOR_THE_REST_MS;
  return storage === 'cassandra' ? Math.min(timeoutMs, cassandra.query_timeout_ms) : timeoutMs;
}

/** Rejects with a StorageError once the time is over, whatever the storage does later. */
export async function inTime<T>(answer: Promise<T>, timeoutMs: number, reason: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new StorageError('timeout', reason)), timeoutMs);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
