import type { Traffic } from './load-generator.js';
import type { Options } from './options.js';
import type { ScenarioName } from './scenario-names.js';

/** Load of one kind, to which every peer is put in every round. */
export interface Point {
  label: string;
  /** The first is the one whose latency is told. */
  classes: Traffic[];
}

export interface Scenario {
  name: ScenarioName;
  title: string;
  /** Floors and peers on other storage take part only where that tells something. */
  peers: 'all' | 'services';
  points: Point[];
  /** The point beside which each peer's others are set. */
  baseline?: string;
  rounds: number;
  seconds: number;
}

/** Within each slice, before its window: connections are made, and what slept wakes up. */
export const WARMUP_SECONDS = 0.4;

/** Sessions of MediaWiki are read far more often than written, and mostly some hundred bytes to 4 KiB long. */
export const SESSIONS = { keys: 10_000, bytes: 1024, post: 0.1 };
const KB = 1000;
const MIB = 1024 * 1024;

export function scenarios(options: Options): Scenario[] {
  return all(options)
    .filter(({ name }) => options.only.includes(name))
    .map((scenario) => ({ ...scenario, ...lengths(scenario, options) }));
}

function lengths(scenario: Scenario, options: Options): Pick<Scenario, 'rounds' | 'seconds'> {
  const rounds = options.rounds ?? (options.quick ? 1 : scenario.rounds);
  const seconds = options.seconds ?? (options.quick ? 0.8 : scenario.seconds);
  return { rounds, seconds };
}

function all(options: Options): Scenario[] {
  return [saturated(), rate(), pod(), connections(), sizes(), misses(), mixed(), keys(options)];
}

function saturated(): Scenario {
  return {
    name: 'saturated',
    title: 'As fast as answers come: 32 connections, 1 KiB, 90 % reads',
    peers: 'all',
    points: [point('saturated', { connections: 32, ...SESSIONS })],
    rounds: 5,
    seconds: 2,
  };
}

function rate(): Scenario {
  return {
    name: 'rate',
    title: '1,000 requests a second: 32 connections, 1 KiB, 90 % reads',
    peers: 'all',
    points: [point('1,000/s', { connections: 32, rate: 1000, ...SESSIONS })],
    rounds: 5,
    seconds: 2,
  };
}

function pod(): Scenario {
  return {
    name: 'pod',
    title: 'What a pod gets in production: 110 requests a second, 2 kB',
    peers: 'services',
    points: [point('110/s', { connections: 32, rate: 110, ...SESSIONS, bytes: 2 * KB })],
    rounds: 5,
    seconds: 2.5,
  };
}

function connections(): Scenario {
  const steady = { rate: 300, ...SESSIONS };
  return {
    name: 'connections',
    title: '300 requests a second over more or fewer connections',
    peers: 'services',
    points: [
      ...[1, 32, 256, 1000].map((count) => point(String(count), { connections: count, ...steady })),
      point('new for each', { connections: 32, fresh: true, ...steady }),
    ],
    baseline: '32',
    rounds: 3,
    seconds: 1.5,
  };
}

function sizes(): Scenario {
  const size = (label: string, bytes: number, perSecond: number, count = SESSIONS.keys) =>
    point(label, { connections: 32, rate: perSecond, ...SESSIONS, bytes, keys: count });
  return {
    name: 'sizes',
    title: 'Values of different size, at a rate that suits each',
    peers: 'services',
    points: [
      size('0.3 kB', 0.3 * KB, 500),
      size('2 kB', 2 * KB, 500),
      size('64 kB', 64 * KB, 200, 500),
      size('2 MiB', 2 * MIB, 10, 20),
    ],
    baseline: '2 kB',
    rounds: 3,
    seconds: 1.5,
  };
}

function misses(): Scenario {
  const reads = { connections: 32, rate: 500, keys: SESSIONS.keys, bytes: SESSIONS.bytes };
  return {
    name: 'misses',
    title: 'Reads of what is there and of what is not, 500 a second',
    peers: 'services',
    points: [point('hits', reads), point('misses', { ...reads, misses: 1 })],
    baseline: 'hits',
    rounds: 3,
    seconds: 1.5,
  };
}

function mixed(): Scenario {
  const small = { name: 'small', connections: 32, rate: 300, ...SESSIONS };
  const large = { name: 'large', connections: 4, rate: 5, keys: 20, bytes: 2 * MIB, post: 0.1 };
  return {
    name: 'mixed',
    title: '300 small requests a second, alone and beside 5 of 2 MiB',
    peers: 'services',
    points: [
      { label: 'alone', classes: [small] },
      { label: 'beside 2 MiB', classes: [small, large] },
    ],
    baseline: 'alone',
    rounds: 3,
    seconds: 2,
  };
}

function keys({ quick, long }: Options): Scenario {
  const counts = [10_000, ...(quick ? [] : [100_000]), ...(long ? [1_000_000] : [])];
  const each = { connections: 32, rate: 500, bytes: 300, post: 0.1 };
  return {
    name: 'keys',
    title: '500 requests a second among more or fewer keys',
    peers: 'services',
    points: counts.map((count) => point(count.toLocaleString('en'), { ...each, keys: count })),
    baseline: '10,000',
    rounds: 3,
    seconds: 1.5,
  };
}

function point(label: string, traffic: Omit<Traffic, 'name'>): Point {
  return { label, classes: [{ name: label, ...traffic }] };
}
