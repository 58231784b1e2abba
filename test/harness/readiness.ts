import request from 'supertest';
import { eventually } from './cassandra/poll.js';
import type { KaskProcess } from './kask.js';

export interface ReadinessAnswer {
  status: number;
  /** Why the storage does not serve, where it does not. */
  reason?: string;
}

export async function readiness(kask: KaskProcess): Promise<ReadinessAnswer> {
  const { status, body } = await request(kask.origin).get('/healthz/ready');
  const { details } = body as { details: { storage: { reason?: string } } };
  return { status, reason: details.storage.reason };
}

export function untilReady(kask: KaskProcess, timeoutMs = 30_000): Promise<void> {
  return eventually(async () => {
    const { status, reason } = await readiness(kask);
    if (status !== 200) throw new Error(`not ready: ${reason}`);
  }, timeoutMs);
}

/** Resolves with the reason once it is the expected one. */
export function untilNotReady(kask: KaskProcess, expected: RegExp, timeoutMs = 30_000): Promise<string> {
  return eventually(async () => {
    const { status, reason = '' } = await readiness(kask);
    if (status !== 503 || !expected.test(reason)) throw new Error(`${status}, ${reason}`);
    return reason;
  }, timeoutMs);
}
