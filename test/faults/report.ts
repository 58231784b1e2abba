import { table } from '../../bench/report/table.js';
import type { Latency, Outcome } from './outcome.js';

const HEAD = [
  'Scenario',
  'Datacenter',
  'Requests',
  'Failed',
  'Before: p50 / p99 / max ms',
  'During',
  'After',
  'Seconds to recover',
  'Failures',
];

/** Of all outcomes, as Markdown. */
export function report(outcomes: Outcome[]): string {
  const wrong = outcomes.flatMap(({ title, wrong, said }) => [
    ...wrong.map((each) => `- ${title}: ${each}`),
    ...said.map((line) => `  - \`${line}\``),
  ]);
  return [
    '# Faults',
    table(HEAD, outcomes.flatMap(rows)),
    ...(wrong.length > 0
      ? ['What should have been otherwise:', wrong.join('\n')]
      : ['All was as it should be.']),
  ].join('\n\n');
}

function rows({ title, everyone }: Outcome): string[][] {
  return everyone.map(([datacenter, seen]) => [
    title,
    datacenter,
    String(seen.asked.length),
    String(seen.failed.length),
    ...[seen.before, seen.during, seen.after].map(latency),
    seen.secondsToRecover.toFixed(1),
    [...seen.failures]
      .sort(([, a], [, b]) => b - a)
      .map(([failure, count]) => `${count} × ${failure}`)
      .join(', '),
  ]);
}

function latency({ p50, p99, max }: Latency): string {
  return [p50.toFixed(1), p99.toFixed(0), max.toFixed(0)].join(' / ');
}
