import type { PointResult, ScenarioResult } from '../results.js';
import { median, type Spread } from '../statistics.js';
import { compare } from './comparison.js';
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

/** A table for each point: ratios to the Go reference as median (min–max), and beside them what was seen here. */
export function scenarioTables(scenario: ScenarioResult): string[] {
  return scenario.points.map((point) => pointTable(point, scenario.peakMib));
}

function pointTable(point: PointResult, peakMib: Record<string, number>): string {
  const cpu = compare(point, 'cpuMicros');
  const p50 = compare(point, 'p50Ms');
  const p99 = compare(point, 'p99Ms');
  const rows = point.peers.map(({ name, rounds }, i) => [
    name,
    ratioText(cpu[i]?.ratio),
    number(cpu[i]?.absolute.median, 0),
    ratioText(p50[i]?.ratio),
    number(p50[i]?.absolute.median, 2),
    ratioText(p99[i]?.ratio),
    number(p99[i]?.absolute.median, 2),
    number(median(rounds.map(({ perSecond }) => perSecond)), 0),
    number(peakMib[name], 0),
    errorsText(rounds.map(({ errors }) => errors)),
  ]);
  return table(HEAD, rows);
}

function ratioText(ratio: Spread | undefined): string {
  if (!ratio) return '';
  const [middle, low, high] = [ratio.median, ratio.min, ratio.max].map((value) => value.toFixed(2));
  return `${middle} (${low}–${high})`;
}

function number(value: number | undefined, digits: number): string {
  return value === undefined ? '' : value.toFixed(digits);
}

function errorsText(rounds: Record<string, number>[]): string {
  const totals = new Map<string, number>();
  for (const errors of rounds)
    for (const [what, count] of Object.entries(errors)) totals.set(what, (totals.get(what) ?? 0) + count);
  return [...totals].map(([what, count]) => `${what}: ${count}`).join(', ') || '0';
}
