import { connect } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AttackOptions, Outcome } from '../attack.js';
import { SHAPES, type Shape, type State, Target } from '../target.js';
import { Wrongs } from '../wrongs.js';
import { type Attempt, attemptOf } from './attempt.js';
import { leaks, LogTally } from './logs.js';
import { type Reaction, reactionTo } from './reaction.js';
import { ReactionTally } from './reaction-tally.js';
import { SteadyClient } from './steady-client.js';
import { stateTable, steadyTable } from './tables.js';

const AT_ONCE = 96;
/** The share that comes before memory is looked at for the first time. */
const WARM_UP = 0.1;
/** Within which all has to be as before, in ms: a connection without requests is closed after 72 s. */
const RESTS_WITHIN_MS = 90_000;
const LOOKS_EVERY_MS = 500;
const ASKED_MEANWHILE = 100;
/** That may stay, in MiB: pages that the allocator keeps, and garbage that nobody had to collect yet. */
const MORE_RESIDENT_MIB = 40;
const MORE_HEAP_MIB = 16;

/** Requests that nobody should send, by the thousand, beside clients that behave well. */
export class Fuzz {
  private readonly wrongs = new Wrongs();
  private readonly tally = new ReactionTally();
  private readonly underWay = new Set<Attempt>();
  private next: number;

  private constructor(
    private readonly options: AttackOptions,
    private readonly targets: ReadonlyMap<Shape, Target>,
    private readonly offersHttp2: boolean,
  ) {
    this.next = options.from;
  }

  static async run(options: AttackOptions): Promise<Outcome> {
    const targets = new Map<Shape, Target>();
    try {
      for (const shape of SHAPES) targets.set(shape, await Target.start(shape));
      return await new Fuzz(options, targets, await offersHttp2(targets.get('tls') as Target)).run();
    } finally {
      for (const target of targets.values()) await target.stop();
    }
  }

  private async run(): Promise<Outcome> {
    const { from, requests, seed, tell } = this.options;
    await this.send(from + Math.floor(requests * WARM_UP));
    const before = await this.restedStates();
    const steady = [...this.targets.values()].map((target) => new SteadyClient(target));
    const began = performance.now();
    await this.send(from + requests);
    const seconds = (performance.now() - began) / 1_000;
    tell(`${requests} requests, ${Math.round((requests * (1 - WARM_UP)) / seconds)} a second`);
    for (const client of steady)
      for (const failure of await client.stop()) this.wrong(client.target.shape, failure);
    const after = await this.restedStates(before);
    this.compare(before, after);
    const logs = [...this.targets.values()].map((target) => new LogTally(target));
    for (const { shape, wrong } of logs) for (const each of wrong) this.wrong(shape, each);
    return {
      title: `${this.tally.sent} fuzzed requests, seed ${seed}`,
      told: [
        ...(this.offersHttp2 ? [] : ['HTTP/2 is not offered by ALPN: its frames were left out.']),
        this.tally.table(),
        steadyTable(steady),
        stateTable(before, after),
        ...logs.map((each) => each.told(requests)),
      ],
      wrong: this.wrongs.told(),
    };
  }

  /** All up to this number. */
  private async send(end: number): Promise<void> {
    await Promise.all(Array.from({ length: AT_ONCE }, () => this.sendInTurn(end)));
  }

  private async sendInTurn(end: number): Promise<void> {
    while (this.next < end && this.isAlive()) {
      const attempt = attemptOf(this.options.seed, this.next++);
      if (attempt.layer === 'h2' && !this.offersHttp2) continue;
      const { origin, ca } = this.target(attempt.shape);
      this.underWay.add(attempt);
      const reaction = await reactionTo(attempt, origin, ca);
      if (!this.isAlive()) return;
      this.underWay.delete(attempt);
      this.judge(attempt, reaction);
    }
  }

  private judge(attempt: Attempt, reaction: Reaction): void {
    this.tally.count(attempt, reaction);
    const { statuses, end } = reaction;
    const serverError = statuses.find((status) => status >= 500);
    if (serverError !== undefined)
      this.wrong(attempt.shape, `answered ${serverError}`, this.described(attempt));
    if (attempt.kind === 'valid' && attempt.ending === 'wait' && statuses.length === 0)
      this.wrong(attempt.shape, `a correct request without an answer, ${end}`, this.described(attempt));
    const expected = attempt.statuses?.slice(0, statuses.length);
    if (expected && String(expected) !== String(statuses))
      this.wrong(
        attempt.shape,
        'answers out of order',
        `${statuses.join(', ')} to ${this.described(attempt)}`,
      );
  }

  private isAlive(): boolean {
    const dead = [...this.targets.values()].find(({ kask }) => !kask.isRunning);
    if (!dead) return true;
    for (const attempt of this.underWay)
      if (attempt.shape === dead.shape)
        this.wrong(dead.shape, 'died, perhaps of this', this.described(attempt));
    this.underWay.clear();
    throw new Error(`the service died: ${[...this.wrongs.told(), dead.kask.stderr].join('\n')}`);
  }

  private compare(before: Map<Shape, State>, after: Map<Shape, State>): void {
    for (const [shape, was] of before) {
      const is = after.get(shape) as State;
      if (is.requestsInFlight !== 0) this.wrong(shape, `${is.requestsInFlight} requests stay in flight`);
      if (is.sockets > was.sockets)
        this.wrong(
          shape,
          `sockets: ${was.sockets} before, ${is.sockets} after`,
          this.target(shape).connections(),
        );
      if (is.residentMib > was.residentMib + MORE_RESIDENT_MIB)
        this.wrong(shape, `resident: ${was.residentMib} MiB before, ${is.residentMib} after`);
      if (is.heapMib > was.heapMib + MORE_HEAP_MIB)
        this.wrong(shape, `heap: ${was.heapMib} MiB before, ${is.heapMib} after`);
    }
  }

  /** Of all targets, when they have come to rest, or failed to. */
  private async restedStates(before?: Map<Shape, State>): Promise<Map<Shape, State>> {
    const states = new Map<Shape, State>();
    for (const [shape, target] of this.targets) {
      states.set(shape, await rested(target, before?.get(shape)));
      const metrics = await target.metrics();
      for (const each of leaks(metrics)) this.wrong(shape, `in a metric: ${each}`);
      for (const [sample] of metrics.matchAll(/^http_requests_total\{.*code="5.* [1-9]\d*$/gm))
        this.wrong(shape, sample);
    }
    return states;
  }

  private target(shape: Shape): Target {
    return this.targets.get(shape) as Target;
  }

  private wrong(shape: Shape, kind: string, example?: string): void {
    this.wrongs.add(`${shape}: ${kind}`, example);
  }

  private described({ number, kind, layer, ending, pieces }: Attempt): string {
    const bytes = JSON.stringify(Buffer.concat(pieces).toString('latin1').slice(0, 600));
    return `${kind} over ${layer}, then ${ending}, \`--seed ${this.options.seed} --from ${number} --requests 1\`, ${bytes}`;
  }
}

async function rested(target: Target, before?: State): Promise<State> {
  const end = Date.now() + RESTS_WITHIN_MS;
  let state = await target.state();
  while (!isAtRest(state, before) && Date.now() < end) {
    await sleep(LOOKS_EVERY_MS);
    // At rest nothing would be collected: V8 does it when it needs room.
    for (let i = 0; i < ASKED_MEANWHILE; i++) await target.metrics();
    state = await target.state();
  }
  return state;
}

/** The first time there is nothing to compare it with, but the one socket that it listens on and ours. */
function isAtRest({ requestsInFlight, sockets, residentMib, heapMib }: State, before?: State): boolean {
  if (requestsInFlight > 0) return false;
  if (!before) return true;
  return (
    sockets <= before.sockets &&
    residentMib <= before.residentMib + MORE_RESIDENT_MIB &&
    heapMib <= before.heapMib + MORE_HEAP_MIB
  );
}

function offersHttp2({ origin, ca }: Target): Promise<boolean> {
  const { hostname: host, port } = new URL(origin);
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), ca, ALPNProtocols: ['h2', 'http/1.1'] });
    socket
      .once('secureConnect', () => resolve(socket.alpnProtocol === 'h2'))
      .once('error', () => resolve(false));
    socket.once('secureConnect', () => socket.destroy());
  });
}
