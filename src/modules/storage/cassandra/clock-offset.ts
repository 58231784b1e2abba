import type { types } from 'cassandra-driver';

// Of the node that is asked, in ms.
const NOW = 'SELECT toUnixTimestamp(now()) AS now FROM system.local';
/** Of a slower answer it is not known when the clock was read: a slow cluster would look like a wrong clock. In ms. */
const QUICK_MS = 100;
/** Of the limit, from where on the log warns. */
const WARN_SHARE = 0.1;

export type ClockVerdict = 'right' | 'off' | 'too far off';

/**
 * In ms, positive if the node's clock is behind the timestamps that this process gives; nothing if it does not answer soon.
 *
 * @param microseconds what the next timestamp would be
 */
export async function offsetFrom(
  askNode: (cql: string) => Promise<types.Row>,
  microseconds: () => number,
): Promise<number | undefined> {
  const sentAt = performance.now();
  const before = microseconds();
  // A node that is away is told of elsewhere.
  const row = await askNode(NOW).catch(() => undefined);
  if (!row || performance.now() - sentAt > QUICK_MS) return undefined;
  const ours = (before + microseconds()) / 2 / 1000;
  return ours - Number(row.get('now')); // a Long of the driver's
}

/** The median of the nodes, so that one whose clock is wrong is no fault of ours. */
export function medianOf(readings: readonly (number | undefined)[]): number | undefined {
  const offsets = readings.filter((offset) => offset !== undefined).sort((a, b) => a - b);
  const middle = (offsets.length - 1) / 2;
  const [a, b] = [offsets[Math.floor(middle)], offsets[Math.ceil(middle)]];
  if (a === undefined || b === undefined) return undefined;
  return Math.abs(a) < Math.abs(b) ? a : b; // of two the one that says we are right, if any does
}

/** @param limitMs no clock is off where it is 0 */
export function verdictOn(offsetMs: number, limitMs: number): ClockVerdict {
  const ms = Math.abs(offsetMs);
  if (limitMs === 0 || ms <= limitMs * WARN_SHARE) return 'right';
  return ms <= limitMs ? 'off' : 'too far off';
}

export function aheadOrBehind(offsetMs: number): string {
  const ms = Math.round(offsetMs);
  return ms < 0 ? `${-ms} ms behind` : `${ms} ms ahead`;
}
