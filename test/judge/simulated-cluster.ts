import { setImmediate } from 'node:timers/promises';
import { Random } from '../endurance/random.js';
import { type Call, History, outcomeOf } from './history.js';
import { onCassandra } from './stores.js';

const TTL_MS = 10_000;
const TIMEOUT_MS = 2_500;
const FAULTS_MS = 60_000;
const HEALED_MS = 75_000;
const END_MS = 83_000;
const SETTLED_MS = 86_000;
const REPLICAS = 3;
const QUORUM = 2;
const DATACENTERS = ['eqiad', 'codfw'];
const KEYS = 10;
const SELDOM_WRITTEN = 6;
const CLIENTS = 5;

/** What a cluster can do wrong. */
export interface Flaws {
  /** Reads answer without repairing what they found. */
  repairsNothing?: true;
  /** One replica is enough for a write. */
  acknowledgesEarly?: true;
  /** A DELETE is answered when one datacenter has it. */
  deletesLocally?: true;
  /** Values expire so much later, in ms; earlier, if negative. */
  expiresLaterMs?: number;
}

interface Cell {
  timestamp: number;
  value?: number;
  expiresAt: number;
}

/** A time of its own, in which nothing takes longer than it says. */
class VirtualTime {
  now = 0;
  /** The next is the last. */
  private readonly due: { at: number; resolve: () => void }[] = [];

  sleep(ms: number): Promise<void> {
    const at = this.now + Math.max(ms, 0);
    return new Promise((resolve) => {
      this.due.splice(this.due.findLastIndex((each) => each.at > at) + 1, 0, { at, resolve });
    });
  }

  async run(): Promise<void> {
    await setImmediate();
    for (let next = this.due.pop(); next; next = this.due.pop()) {
      this.now = next.at;
      next.resolve();
      await setImmediate();
    }
  }
}

/**
 * Two datacenters of three replicas as Cassandra has them: writes reach replicas late, by hints or never, coordinators
 * that were frozen send a write anew, reads at LOCAL_QUORUM repair. Its histories are legal unless it has a flaw.
 */
export class SimulatedCluster {
  private readonly time = new VirtualTime();
  private readonly random: Random;
  private readonly history: History;
  private readonly replicas: Map<string, Cell>[][] = DATACENTERS.map(() =>
    Array.from({ length: REPLICAS }, () => new Map<string, Cell>()),
  );
  private readonly lastTimestamps = DATACENTERS.map(() => 0);

  constructor(
    seed: number,
    private readonly flaws: Flaws = {},
  ) {
    this.random = new Random(seed);
    this.history = new History({
      ...onCassandra(TTL_MS),
      seed,
      frozen: [],
      healedAt: HEALED_MS,
      settledAt: SETTLED_MS,
    });
  }

  async run(): Promise<History> {
    for (const datacenter of DATACENTERS.keys())
      for (let client = 0; client < CLIENTS; client++) void this.client(datacenter, client);
    await this.time.run();
    return this.history;
  }

  private async client(datacenter: number, client: number): Promise<void> {
    const pause = (): Promise<void> =>
      this.time.sleep(this.random.between(0, this.random.chance(0.02) ? 15_000 : 800));
    for (await pause(); this.time.now < END_MS; await pause()) {
      const key = Math.floor(this.random.next() ** 3 * KEYS);
      const isOnlyRead = key >= SELDOM_WRITTEN && this.random.chance(0.9);
      await this.act(datacenter, client, key, isOnlyRead ? 0 : this.random.next());
    }
    await this.time.sleep(SETTLED_MS + 1 - this.time.now);
    for (let key = 0; key < KEYS; key++) await this.act(datacenter, client, key, 0);
  }

  private async act(datacenter: number, client: number, name: number, choice: number): Promise<void> {
    const key = `key${name}`;
    const operation = choice < 0.5 ? 'GET' : choice < 0.75 ? 'PUT' : 'DELETE';
    const call: Omit<Call, 'end' | 'outcome' | 'status'> = {
      client: `${DATACENTERS[datacenter]}${client}`,
      datacenter: DATACENTERS[datacenter] as string,
      operation,
      key,
      value: operation === 'PUT' ? this.history.nextValue() : undefined,
      start: this.time.now,
    };
    const answer =
      operation === 'GET' ? await this.get(datacenter, key) : await this.write(datacenter, key, call.value);
    this.history.calls.push({
      ...call,
      ...answer,
      end: this.time.now,
      outcome: outcomeOf(answer.status),
    });
  }

  private async write(datacenter: number, key: string, value?: number) {
    await this.time.sleep(this.random.between(0, 5));
    const timestamp = this.timestamp(datacenter);
    const applied = DATACENTERS.map(() => 0);
    const isEnough = (count: number, to: number): boolean =>
      count >= (this.flaws.acknowledgesEarly ? 1 : QUORUM) ||
      (to !== datacenter && (value !== undefined || this.flaws.deletesLocally === true));
    const acknowledged = new Promise<boolean>((resolve) => {
      const send = (): void =>
        this.send(datacenter, key, this.cell(timestamp, value), (to) => {
          applied[to]!++;
          if (applied.every(isEnough)) resolve(true);
        });
      send();
      // As a coordinator does it that was frozen when it was asked.
      if (this.isFaulty && this.random.chance(0.05)) void this.thaw().then(send);
    });
    const isAnswered = await Promise.race([acknowledged, this.time.sleep(TIMEOUT_MS)]);
    return { status: isAnswered ? (value === undefined ? 204 : 201) : 504 };
  }

  private async thaw(): Promise<void> {
    const from = this.time.now;
    await this.time.sleep(this.random.between(1_000, 12_000));
    this.history.circumstances.frozen.push({ from, to: this.time.now });
  }

  private cell(timestamp: number, value?: number): Cell {
    const now = Math.floor(this.time.now / 1_000) * 1_000;
    return {
      timestamp,
      value,
      expiresAt: value === undefined ? Infinity : now + TTL_MS + (this.flaws.expiresLaterMs ?? 0),
    };
  }

  private send(from: number, key: string, cell: Cell, applied: (datacenter: number) => void): void {
    for (const [to, replicas] of this.replicas.entries())
      for (const replica of replicas)
        void this.deliver(to === from).then((arrives) => {
          if (!arrives) return;
          apply(replica, key, cell);
          applied(to);
        });
  }

  private async get(datacenter: number, key: string): Promise<{ status: number; value?: number }> {
    await this.time.sleep(this.random.between(0, 5));
    const { now } = this.time;
    const first = this.random.between(0, REPLICAS - 1);
    const own = this.replicas[datacenter] as Map<string, Cell>[];
    const asked = [own[first], own[(first + 1) % REPLICAS]] as Map<string, Cell>[];
    const found: (Cell | undefined)[] = [];
    for (const replica of asked) {
      await this.time.sleep(this.random.between(0, this.isFaulty && this.random.chance(0.1) ? 1_000 : 10));
      found.push(replica.get(key));
    }
    const merged = new Map<string, Cell>();
    for (const cell of found) if (cell) apply(merged, key, cell);
    const newest = merged.get(key);
    if (newest && !this.flaws.repairsNothing)
      for (const replica of asked) {
        await this.time.sleep(this.random.between(0, 10));
        apply(replica, key, newest);
      }
    if (newest?.value === undefined || Math.floor(now / 1_000) * 1_000 >= newest.expiresAt)
      return { status: 404 };
    return { status: 200, value: newest.value };
  }

  /** Resolves when a write has arrived at a replica, or with `false` if it never will. */
  private async deliver(isLocal: boolean): Promise<boolean> {
    const isLate = this.isFaulty && this.random.chance(isLocal ? 0.2 : 0.5);
    if (isLate && this.random.chance(0.5)) return false;
    await this.time.sleep(this.random.between(0, isLate ? 14_000 : 30));
    return true;
  }

  /** In ms, with microseconds behind the point. */
  private timestamp(datacenter: number): number {
    const last = this.lastTimestamps[datacenter] as number;
    return (this.lastTimestamps[datacenter] = Math.max(last + 0.001, Math.floor(this.time.now)));
  }

  private get isFaulty(): boolean {
    return this.time.now < FAULTS_MS;
  }
}

/** Last write wins; of the same write the expiry that is later, of two writes with one timestamp the DELETE. */
function apply(replica: Map<string, Cell>, key: string, cell: Cell): void {
  const before = replica.get(key);
  if (!before || isNewer(cell, before)) replica.set(key, cell);
}

function isNewer(a: Cell, b: Cell): boolean {
  if (a.timestamp !== b.timestamp) return a.timestamp > b.timestamp;
  return a.expiresAt !== b.expiresAt ? a.expiresAt > b.expiresAt : (a.value ?? 0) > (b.value ?? 0);
}
