import type { MemoryResult, StartResult } from '../results.js';
import { median, spread } from '../statistics.js';
import { isReference } from './comparison.js';
import { spreadText } from './figures.js';
import { table } from './table.js';

const PHASES = ['restMib', 'busyMib', 'connectionsMib'] as const;

/** MiB as median (min–max), and the ratio of the medians to the smallest of the Go references. */
export function memoryTable(peers: MemoryResult[]): string {
  const head = [
    'peer',
    'at rest, MiB',
    'ratio',
    'under load, MiB',
    'ratio',
    '1,000 connections, MiB',
    'ratio',
    'CPU at rest, ms/s',
  ];
  const references = peers.filter(({ name }) => isReference(name));
  const rows = peers.map((peer) => [
    peer.name,
    ...PHASES.flatMap((phase) => {
      const least = Math.min(...references.map((reference) => median(reference[phase])));
      return [spreadText(spread(peer[phase]), 0), (median(peer[phase]) / least).toFixed(1)];
    }),
    spreadText(spread(peer.restCpuMs), 1),
  ]);
  return table(head, rows);
}

export function startTable(peers: StartResult[]): string {
  const rows = peers.map(({ name, ms }) => [name, spreadText(spread(ms), 0)]);
  return table(['peer', 'first answer after, ms'], rows);
}
