import { type Host, types } from 'cassandra-driver';
import type { PinoLogger } from 'nestjs-pino';
import { Registry } from 'prom-client';
import { Settings } from '../../../config/settings.js';
import { Metrics } from '../../metrics/metrics.js';
import type { CassandraService } from './cassandra.service.js';
import { ClusterClock } from './cluster-clock.js';
import { Timestamps } from './timestamps.js';

const NOON = Date.UTC(2026, 0, 1, 12);

/** A node whose clock is off by so much, and that takes so long for each half of a round trip, in ms. */
interface FakeNode {
  aheadMs: number;
  wayMs?: number;
  isAway?: boolean;
}

let nodes: FakeNode[];
let startedAt: number;
let measurements: number;
let timestamps: Timestamps;
let registry: Registry;
let lines: { level: string; msg: string }[];
let clock: ClusterClock;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const trueTime = (): number => Math.round(performance.now() - startedAt) + NOON;

async function ask(node: FakeNode): Promise<types.Row> {
  measurements++;
  await sleep(node.wayMs ?? 1);
  const now = types.Long.fromNumber(trueTime() + node.aheadMs);
  await sleep(node.wayMs ?? 1);
  if (node.isAway) throw new Error('away');
  return { get: () => now } as unknown as types.Row;
}

function start(limitMs: number): void {
  const settings = new Settings();
  settings.cassandra.clock_limit_ms = limitMs;
  const cassandra = {
    connectedHosts: () => nodes as unknown as Host[],
    askNode: (host: Host) => ask(host as unknown as FakeNode),
  } as unknown as CassandraService;
  const log = (level: string) => (fields: { msg: string }) => void lines.push({ level, ...fields });
  const logger = { info: log('info'), warn: log('warn'), error: log('error') } as unknown as PinoLogger;
  clock = new ClusterClock(cassandra, timestamps, settings, new Metrics(registry), logger);
  clock.onApplicationBootstrap();
}

beforeEach(() => {
  jest.useFakeTimers({ now: NOON });
  startedAt = performance.now();
  nodes = [{ aheadMs: 0 }, { aheadMs: 0 }, { aheadMs: 0 }];
  measurements = 0;
  timestamps = new Timestamps();
  registry = new Registry();
  lines = [];
});

afterEach(() => {
  clock.onApplicationShutdown();
  jest.useRealTimers();
});

async function offset(): Promise<number> {
  const samples = (await registry.getSingleMetric('kask_clock_offset_seconds')?.get())?.values ?? [];
  return samples[0]?.value as number;
}

/** Two measurements, and their answers. */
const untilCertain = (): Promise<void> => jest.advanceTimersByTimeAsync(12_500);

describe('the clock', () => {
  it('is measured at the start and every ten seconds', async () => {
    start(1_000);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(measurements).toBe(6 * nodes.length);
    expect(await offset()).toBeCloseTo(0, 3);
    expect([clock.fault, lines]).toEqual([undefined, []]);
  });

  it.each([
    ['ahead', 5_000, 5],
    ['behind', -5_000, -5],
  ])('that is %s is told, and the process is not ready', async (where, shift, seconds) => {
    jest.setSystemTime(NOON + shift);
    start(1_000);
    await untilCertain();
    expect(await offset()).toBeCloseTo(seconds, 2);
    expect(clock.fault).toBe(
      `the clock is 5000 ms ${where} of those of the Cassandra nodes; 1000 ms are allowed`,
    );
    expect(lines).toMatchObject([
      { level: 'error', msg: `the clock is 5000 ms ${where}: not ready`, offset_ms: shift, limit_ms: 1_000 },
    ]);
  });

  it('that is off by more than a tenth of the limit is warned about, once a minute', async () => {
    jest.setSystemTime(NOON + 300);
    start(1_000);
    await jest.advanceTimersByTimeAsync(130_000);
    expect(clock.fault).toBeUndefined();
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatchObject({ level: 'warn', msg: 'the clock is 300 ms ahead' });
  });

  it('is judged by two measurements in a row, the second of which comes soon', async () => {
    start(1_000);
    await untilCertain();
    nodes = [{ aheadMs: -9_000 }];
    await jest.advanceTimersByTimeAsync(8_000);
    expect([await offset(), clock.fault]).toEqual([expect.closeTo(9, 2), undefined]);
    nodes = [{ aheadMs: 0 }];
    await jest.advanceTimersByTimeAsync(30_000);
    expect([clock.fault, lines]).toEqual([undefined, []]);
    nodes = [{ aheadMs: -9_000 }];
    await untilCertain();
    expect(clock.fault).toContain('9000 ms ahead');
    nodes = [{ aheadMs: 0 }];
    await untilCertain();
    expect(clock.fault).toBeUndefined();
    expect(lines.at(-1)).toMatchObject({ level: 'info', msg: 'the clock is right again' });
  });

  it('is not wrong because that of one node is', async () => {
    nodes = [{ aheadMs: 0 }, { aheadMs: 60_000 }, { aheadMs: 0 }];
    start(1_000);
    await untilCertain();
    expect(await offset()).toBeCloseTo(0, 2);
  });

  it('is compared with answers that came quickly alone, as a slow cluster is no wrong clock', async () => {
    nodes = [{ aheadMs: 0 }, { aheadMs: 700, wayMs: 60 }, { aheadMs: 700, wayMs: 400 }];
    start(1_000);
    await untilCertain();
    expect(await offset()).toBeCloseTo(0, 2);
    nodes.shift();
    await untilCertain();
    expect(await offset()).toBeCloseTo(0, 2);
  });

  it('counts as the timestamps that were given, also once it was set forward and back', async () => {
    jest.setSystemTime(NOON + 3_600_000);
    timestamps.next();
    jest.setSystemTime(NOON);
    start(1_000);
    await untilCertain();
    expect(await offset()).toBeGreaterThan(3_500);
    expect(clock.fault).toContain('ahead');
  });

  it('is not judged where no node answers, and measured as soon as one does', async () => {
    nodes = [{ aheadMs: -9_000, isAway: true }];
    start(1_000);
    await untilCertain();
    expect([await offset(), clock.fault]).toEqual([NaN, undefined]);
    nodes = [{ aheadMs: -9_000 }];
    await jest.advanceTimersByTimeAsync(3_000);
    expect(clock.fault).toBeDefined();
    nodes = [];
    await untilCertain();
    expect(clock.fault).toBeDefined();
  });

  it('is only measured with a limit of 0', async () => {
    jest.setSystemTime(NOON + 60_000);
    start(0);
    await untilCertain();
    expect([await offset(), clock.fault, lines]).toEqual([expect.closeTo(60, 2), undefined, []]);
  });
});
