import { GO_DEFAULT, GO_ONE } from '../peers/peer.js';
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

/** All peers beside the Go reference, at whichever of its two settings is better in this very measure. */
export function compare({ peers }: PointResult, measure: Measure): Comparison[] {
  const reference = values(betterReference(peers, measure), measure);
  return peers.map((peer) => ({
    name: peer.name,
    absolute: spread(values(peer, measure)),
    ratio: spread(ratios(values(peer, measure), reference)),
  }));
}

function betterReference(peers: PeerRounds[], measure: Measure): PeerRounds {
  const references = peers.filter(({ name }) => name === GO_DEFAULT || name === GO_ONE);
  references.sort((a, b) => median(values(a, measure)) - median(values(b, measure)));
  const [better] = references;
  if (!better) throw new Error('a run without the Go reference has no ratios');
  return better;
}

function values({ rounds }: PeerRounds, measure: Measure): number[] {
  return rounds.map((figures: Figures) => figures[measure]);
}
