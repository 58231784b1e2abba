import { setTimeout as sleep } from 'node:timers/promises';
import { table } from '../../../bench/report/table.js';
import { residentMib } from '../../endurance/service-state.js';
import type { AttackOptions, Outcome } from '../attack.js';
import { type Shape, Target } from '../target.js';
import { Wrongs } from '../wrongs.js';
import { OpenLoop, type Seen } from './open-loop.js';
import { CONNECTIONS, SLOW_ATTACKS, type SlowAttack } from './slow-attacks.js';

const SHAPES: Shape[] = ['clear', 'tls'];
const QUIET_MS = 8_000;
const ATTACK_MS = 16_000;
/** Until all have connected, at most; what comes then counts. */
const CONNECTS_WITHIN_MS = 6_000;
const LOOKS_EVERY_MS = 100;
/** After the attack, before others are measured again. */
const SETTLES_MS = 2_000;
/** Below which a 99th percentile is not compared, in ms: it is the machine's. */
const LEAST_P99_MS = 10;
/** What 1,000 connections may take: some 64 KiB each, and the answers that wait for slow readers. */
const MORE_RESIDENT_MIB = 128;
const RESTS_WITHIN_MS = 30_000;

interface Measured {
  before: Seen;
  during: Seen;
  after: Seen;
  /** The most that there were. */
  connections: number;
  residentMib: { before: number; peak: number; after: number };
  socketsLeft: number;
}

/** Slow clients by the thousand beside others, who must hardly notice. */
export async function attackSlowly({ tell }: AttackOptions): Promise<Outcome> {
  const targets = new Map<Shape, Target>();
  const rows: string[][] = [];
  const wrongs = new Wrongs();
  try {
    for (const shape of SHAPES) targets.set(shape, await Target.start(shape));
    for (const attack of SLOW_ATTACKS) {
      tell(attack.title);
      const measured = await measure(attack, targets.get(attack.shape) as Target);
      rows.push(row(attack, measured));
      judge(attack, measured, wrongs);
    }
  } finally {
    for (const target of targets.values()) await target.stop();
  }
  const ms = 'p50 / p99 / max ms';
  const head = [
    'Attack',
    'Connections',
    `Before: ${ms}`,
    'During',
    'After',
    'p99 ratio',
    'Failed',
    'Resident MiB',
  ];
  return {
    title: `${CONNECTIONS} slow connections, beside 100 requests a second of others`,
    told: [table(head, rows)],
    wrong: wrongs.told(),
  };
}

async function measure(attack: SlowAttack, target: Target): Promise<Measured> {
  const { pid } = target.kask;
  const others = new OpenLoop(target);
  await others.start();
  await sleep(SETTLES_MS);
  const began = performance.now();
  await sleep(QUIET_MS);
  const [socketsBefore, residentBefore] = [target.sockets(), residentMib(pid)];
  const end = await attack.begin(target);
  const attacked = performance.now();
  let [connections, peak, from] = [0, 0, Infinity];
  while (performance.now() < attacked + ATTACK_MS) {
    await sleep(LOOKS_EVERY_MS);
    connections = Math.max(connections, target.sockets() - socketsBefore);
    peak = Math.max(peak, residentMib(pid));
    if (connections > 0.9 * CONNECTIONS || performance.now() > attacked + CONNECTS_WITHIN_MS)
      from = Math.min(from, performance.now());
  }
  const over = performance.now();
  await end();
  await sleep(SETTLES_MS);
  const quiet = performance.now();
  await sleep(QUIET_MS);
  const ended = performance.now();
  await others.stop();
  const socketsLeft = await rest(target, socketsBefore);
  return {
    before: others.between(began, attacked),
    during: others.between(from, over),
    after: others.between(quiet, ended),
    connections,
    residentMib: { before: residentBefore, peak, after: residentMib(pid) },
    socketsLeft,
  };
}

/** How many sockets more than before stay. */
async function rest(target: Target, before: number): Promise<number> {
  const end = performance.now() + RESTS_WITHIN_MS;
  while (target.sockets() > before && performance.now() < end) await sleep(LOOKS_EVERY_MS);
  return Math.max(0, target.sockets() - before);
}

/** To the worse of before and after: what else the machine did is in both. */
function p99Ratio({ before, during, after }: Measured): number {
  return during.p99 / Math.max(before.p99, after.p99, LEAST_P99_MS);
}

function judge({ title }: SlowAttack, measured: Measured, wrongs: Wrongs): void {
  const { before, during, after, residentMib: resident, socketsLeft } = measured;
  if (p99Ratio(measured) > 2)
    wrongs.add(`${title}: p99 of others was ${p99Ratio(measured).toFixed(1)} times that without`);
  for (const failure of [before, during, after].flatMap(({ failures }) => failures))
    wrongs.add(`${title}: others failed: ${failure}`);
  if (resident.peak > resident.before + MORE_RESIDENT_MIB)
    wrongs.add(`${title}: resident memory ${resident.before} -> ${resident.peak} MiB`);
  if (socketsLeft > 0) wrongs.add(`${title}: ${socketsLeft} sockets stay open`);
}

function row({ title }: SlowAttack, measured: Measured): string[] {
  const { before, during, after, connections, residentMib: resident } = measured;
  const all = [before, during, after];
  return [
    title,
    String(connections),
    ...all.map(({ p50, p99, max }) => [p50.toFixed(1), p99.toFixed(1), max.toFixed(0)].join(' / ')),
    p99Ratio(measured).toFixed(2),
    String(all.reduce((sum, { failures }) => sum + failures.length, 0)),
    [resident.before, resident.peak, resident.after].join(' -> '),
  ];
}
