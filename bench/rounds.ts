import { applyLoad, type LoadReport, preload, type Traffic } from './load-generator.js';
import type { RunningPeer } from './peers/peer.js';
import type { Figures, PointResult } from './results.js';
import { type Point, type Scenario, WARMUP_SECONDS } from './scenarios.js';

/** A peer that is up, and where it keeps its values. */
export interface Contestant {
  name: string;
  store: string;
  running: RunningPeer;
}

/** Every peer gets a slice of every round, in an order that differs from round to round. */
export async function runRounds(
  scenario: Scenario,
  contestants: Contestant[],
  tell: (text: string) => void,
): Promise<PointResult[]> {
  const results: PointResult[] = [];
  for (const point of scenario.points) {
    if (point.preload) await preloadStores(point, contestants);
    const figures = new Map<string, Figures[]>(contestants.map(({ name }) => [name, []]));
    for (let round = 0; round < scenario.rounds; round++) {
      for (const { name, running } of shuffled(contestants)) {
        const seen = await slice(running, point.classes, scenario.seconds);
        figures.get(name)?.push(seen);
        tell(`${scenario.name}, ${point.label}, round ${round + 1} of ${scenario.rounds}: ${name}`);
      }
    }
    results.push({ label: point.label, peers: [...figures].map(([name, rounds]) => ({ name, rounds })) });
  }
  return results;
}

export async function slice(peer: RunningPeer, classes: Traffic[], seconds: number): Promise<Figures> {
  return figures(await applyLoad(peer, classes, WARMUP_SECONDS, seconds));
}

async function preloadStores(point: Point, contestants: Contestant[]): Promise<void> {
  const stores = new Map(contestants.map(({ store, running }) => [store, running]));
  for (const running of stores.values()) await preload(running, point.classes.map(forPreload));
}

/** As many connections as answer quickly, however few or many the scenario has. */
function forPreload(traffic: Traffic): Traffic {
  return { ...traffic, connections: traffic.bytes > 100_000 ? 4 : 32 };
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
