import type { PointResult, ScenarioResult } from '../results.js';
import { median } from '../statistics.js';
import { type Comparison, compare } from './comparison.js';
import { ratioText } from './figures.js';
import { table } from './table.js';

const HEAD = [
  'peer',
  'CPU per request',
  'µs',
  'p50',
  'p50, ms',
  'p99',
  'p99, ms',
  'requests/s',
  'peak, MiB',
  'errors',
];

/** A row for each peer: ratios to the Go reference, and beside them what was seen here. */
export function pointTable({ peakMib }: ScenarioResult, point: PointResult): string {
  const measures = (['cpuMicros', 'p50Ms', 'p99Ms'] as const).map((measure) => compare(point, measure));
  const rows = point.peers.map(({ name, rounds }, i) => [
    name,
    ...measures.flatMap((peers, measure) => both(peers[i] as Comparison, measure === 0 ? 0 : 2)),
    median(rounds.map(({ perSecond }) => perSecond)).toFixed(0),
    peakMib[name]?.toFixed(0) ?? '',
    errorsText(rounds.map(({ errors }) => errors)),
  ]);
  return table(HEAD, rows);
}

function both({ ratio, absolute }: Comparison, digits: number): string[] {
  return [ratioText(ratio), absolute.median.toFixed(digits)];
}

function errorsText(rounds: Record<string, number>[]): string {
  const totals = new Map<string, number>();
  for (const errors of rounds)
    for (const [what, count] of Object.entries(errors)) totals.set(what, (totals.get(what) ?? 0) + count);
  return [...totals].map(([what, count]) => `${what}: ${count}`).join(', ') || '0';
}
