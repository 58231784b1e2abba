import type { Circumstances } from './history.js';

/** In ms, beside `request_timeout_ms`: what the service may take to begin with a request. */
const TAKEN_UP_MS = 3_500;

/** Why the figures are what they are: see checker.ts. */
export function onCassandra(ttlMs: number): Omit<Circumstances, 'seed' | 'frozen'> {
  return {
    store: 'cassandra',
    ttlMs,
    earlyMs: 1_100,
    lateMs: 12_000,
    clockSkewMs: 2,
    takenUpMs: TAKEN_UP_MS,
  };
}

/** One process with one clock, which counts milliseconds; what it did not take up dies with it. */
export function onEmbedded(ttlMs: number): Omit<Circumstances, 'seed' | 'frozen'> {
  return { store: 'embedded', ttlMs, earlyMs: 50, lateMs: 50, clockSkewMs: 0, takenUpMs: 0 };
}
