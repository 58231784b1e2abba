import { GO_REFERENCES } from '../peers/peer.js';
import type { Figures, PeerRounds, PointResult } from '../results.js';
import { median, ratios, type Spread, spread } from '../statistics.js';

/** A figure of which less is better. */
export type Measure = 'cpuMicros' | 'p50Ms' | 'p99Ms';

export interface Comparison {
  name: string;
  /** As it was. */
  absolute: Spread;
  /** Beside the Go reference in the same rounds. */
  ratio: Spread;
}

/** All peers beside the Go reference, at whichever of its settings is best in this very measure. */
export function compare({ peers }: PointResult, measure: Measure): Comparison[] {
  const reference = values(bestReference(peers, measure), measure);
  return peers.map((peer) => ({
    name: peer.name,
    absolute: spread(values(peer, measure)),
    ratio: spread(ratios(values(peer, measure), reference)),
  }));
}

export function isReference(name: string): boolean {
  return GO_REFERENCES.some((reference) => reference === name);
}

function bestReference(peers: PeerRounds[], measure: Measure): PeerRounds {
  const references = peers.filter(({ name }) => isReference(name));
  references.sort((a, b) => median(values(a, measure)) - median(values(b, measure)));
  const [best] = references;
  if (!best) throw new Error('a run without the Go reference has no ratios');
  return best;
}

function values({ rounds }: PeerRounds, measure: Measure): number[] {
  return rounds.map((figures: Figures) => figures[measure]);
}
