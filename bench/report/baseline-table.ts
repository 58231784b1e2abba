import type { PeerRounds, ScenarioResult } from '../results.js';
import { ratios, spread } from '../statistics.js';
import { ratioText } from './figures.js';
import { table } from './table.js';

/** Each peer beside itself: what a point costs it more than the baseline did. */
export function baselineTable({ points, baseline }: ScenarioResult): string | undefined {
  const base = points.find(({ label }) => label === baseline);
  const others = points.filter(({ label }) => label !== baseline);
  if (!base || others.length === 0) return undefined;
  const head = ['peer', ...others.flatMap(({ label }) => [`${label}: CPU`, `${label}: p99`])];
  const rows = base.peers.map((peer) => [
    peer.name,
    ...others.flatMap(({ peers }) => {
      const same = peers.find(({ name }) => name === peer.name);
      return same ? [within(same, peer, 'cpuMicros'), within(same, peer, 'p99Ms')] : ['', ''];
    }),
  ]);
  return table(head, rows);
}

function within(peer: PeerRounds, base: PeerRounds, measure: 'cpuMicros' | 'p99Ms'): string {
  const [values, reference] = [peer, base].map(({ rounds }) => rounds.map((figures) => figures[measure]));
  return ratioText(spread(ratios(values ?? [], reference ?? [])));
}
