import { applyLoad, type LoadReport, type Traffic } from './load-generator.js';
import type { RunningPeer } from './peers/peer.js';
import type { Figures, PointResult } from './results.js';
import { type Scenario, WARMUP_SECONDS } from './scenarios.js';

/** A peer that is up, and where it keeps its values. */
export interface Contestant {
  name: string;
  store: string;
  running: RunningPeer;
}

/** Every peer gets a slice at every point in every round, in an order that differs from round to round. */
export async function runRounds(
  { name, points, rounds, seconds }: Scenario,
  contestants: Contestant[],
  tell: (text: string) => void,
): Promise<PointResult[]> {
  const slices = points.flatMap(({ label, classes }) =>
    contestants.map((contestant) => ({ label, classes, contestant, seen: [] as Figures[] })),
  );
  for (let round = 1; round <= rounds; round++) {
    for (const { label, classes, contestant, seen } of shuffled(slices)) {
      tell(`${name}, round ${round} of ${rounds}: ${contestant.name}, ${label}`);
      seen.push(await slice(contestant.running, classes, seconds));
    }
  }
  return points.map(({ label }) => ({
    label,
    peers: slices
      .filter((each) => each.label === label)
      .map(({ contestant, seen }) => ({ name: contestant.name, rounds: seen })),
  }));
}

async function slice(peer: RunningPeer, classes: Traffic[], seconds: number): Promise<Figures> {
  return figures(await applyLoad(peer, classes, WARMUP_SECONDS, seconds));
}

function figures(report: LoadReport): Figures {
  const [first] = report.classes;
  if (!first) throw new Error('a slice without requests');
  const sum = (count: (each: (typeof report.classes)[number]) => number) =>
    report.classes.reduce((total, each) => total + count(each), 0);
  const cpuSeconds = report.cpuSeconds.reduce((total, each) => total + each, 0);
  return {
    cpuMicros: (cpuSeconds / sum((each) => each.requests)) * 1e6,
    p50Ms: first.p50Ms,
    p99Ms: first.p99Ms,
    maxMs: first.maxMs,
    perSecond: first.perSecond,
    pacingP99Ms: first.pacingP99Ms,
    requests: sum((each) => each.requests),
    errors: merged(report.classes.map((each) => each.errors)),
  };
}

function merged(all: Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const errors of all)
    for (const [what, count] of Object.entries(errors)) total[what] = (total[what] ?? 0) + count;
  return total;
}

function shuffled<T>(items: readonly T[]): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j] as T, order[i] as T];
  }
  return order;
}
