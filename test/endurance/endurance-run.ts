import { setTimeout as sleep } from 'node:timers/promises';
import { CassandraCluster } from '../harness/cassandra/cluster.js';
import { eventually } from '../harness/cassandra/poll.js';
import { KaskProcess } from '../harness/kask.js';
import { metric } from '../harness/metrics.js';
import { untilReady } from '../harness/readiness.js';
import { requestCounts, tally } from '../harness/request-counts.js';
import { judge } from '../judge/checker.js';
import { History } from '../judge/history.js';
import { onCassandra } from '../judge/stores.js';
import { type Fault, Faults, NODE_FAULTS } from './faults.js';
import { Findings } from './findings.js';
import { Random } from './random.js';
import { connectionsToCassandra, residentMib } from './service-state.js';
import { type ClientOptions, SessionClient } from './session-client.js';

const NODES = 3;
const KEYSPACE = 'sessions';
const DATACENTER = 'eqiad';
/** In ms: none expires meanwhile. */
const TTL_MS = 86_400_000;
const QUERY_TIMEOUT_MS = 2_500;
/** Beside the time for the storage, all that the rest of a request may take, in ms. */
const GRACE_MS = 1_000;
/** Of load without faults, before memory is measured, in ms. */
const WARM_UP_MS = 5_000;
/** Until everything is as it was before, in ms. */
const REST_MS = 30_000;
const COUNTED_MS = 2_000;
/** More than before the faults is a leak, in MiB; less is what the collector leaves behind. */
const MORE_MEMORY_MIB = 80;

/** What tells the clients apart. Each has sessions of its own. */
interface Group {
  name: string;
  keepsConnection: boolean;
  keys: number;
  pauseMs: number;
}

const CLIENTS: (Group & Pick<ClientOptions, 'valueBytes'>)[] = [
  ...group(28, { name: 'kept', keepsConnection: true, keys: 20, pauseMs: 100 }, { from: 100, to: 4_000 }),
  ...group(6, { name: 'anew', keepsConnection: false, keys: 20, pauseMs: 100 }, { from: 100, to: 4_000 }),
  ...group(2, { name: 'large', keepsConnection: true, keys: 4, pauseMs: 700 }, { from: 300_000, to: 2e6 }),
];

export interface EnduranceOptions {
  seed: number;
  dataPath: string;
  tell: (text: string) => void;
}

/** Clients of one service on three nodes, to which things happen meanwhile. */
export class EnduranceRun {
  private readonly findings = new Findings();
  private readonly history: History;
  private readonly faults: Faults;
  private readonly clients: SessionClient[];
  private before = { connections: 0, mib: 0 };
  private after = { connections: 0, mib: 0 };

  private constructor(
    readonly cluster: CassandraCluster,
    private readonly kask: KaskProcess,
    private readonly options: EnduranceOptions,
  ) {
    this.history = new History({ ...onCassandra(TTL_MS), seed: options.seed, frozen: [] });
    const { frozen } = this.history.circumstances;
    this.faults = new Faults(cluster, this.findings, options.tell, frozen);
    this.clients = CLIENTS.map(({ keys, ...each }, i) => {
      const all = {
        ...each,
        datacenter: DATACENTER,
        limitMs: QUERY_TIMEOUT_MS + GRACE_MS,
        url: (key: string) => kask.url(key),
        drawKey: (random: Random) => ({ key: `${each.name}:${random.between(0, keys - 1)}` }),
      };
      return new SessionClient(all, new Random(options.seed + 1 + i), this.findings, this.history);
    });
  }

  static async start(options: EnduranceOptions): Promise<EnduranceRun> {
    options.tell('starting Cassandra');
    const cluster = await CassandraCluster.start({ datacenters: { [DATACENTER]: NODES } });
    try {
      await cluster.createSessionTable(KEYSPACE);
      const kask = await KaskProcess.start({
        cassandra: {
          hosts: cluster.contactPoints,
          keyspace: KEYSPACE,
          local_dc: DATACENTER,
          query_timeout_ms: QUERY_TIMEOUT_MS,
          data_path: options.dataPath,
        },
      });
      return new EnduranceRun(cluster, kask, options);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** What happens until the time is over is drawn from the seed. */
  async endureFor(ms: number): Promise<void> {
    const random = new Random(this.options.seed);
    await this.endure(() => this.faults.inflictFor(ms, random, NODE_FAULTS, () => this.isRunning));
  }

  async endureSteps(steps: readonly Fault[][]): Promise<void> {
    await this.endure(async () => {
      for (const step of steps) await this.faults.inflict(step);
    });
  }

  /** What should not have happened. */
  wrong(): string[] {
    return this.findings.wrong();
  }

  summary(): string[] {
    const { findings, before, after } = this;
    const faults = [...this.faults.done].map(([kind, times]) => `${kind} ${times} times`);
    return [
      `${this.options.dataPath}, seed ${this.options.seed}: ${findings.asked.length} requests, the longest ${Math.round(findings.longestMs)} ms`,
      `nodes: ${faults.join(', ')}`,
      ...findings.answers(),
      ...this.reasons(),
      `connections ${before.connections} -> ${after.connections}, memory ${before.mib} -> ${after.mib} MiB`,
      ...findings.wrong(),
    ];
  }

  async stop(): Promise<void> {
    await this.kask.kill();
    await this.cluster.stop();
  }

  private async endure(happen: () => Promise<void>): Promise<void> {
    await untilReady(this.kask);
    const running = this.clients.map((client) => client.run());
    await sleep(WARM_UP_MS);
    this.before = this.state();
    await happen();
    await this.faults.settled();
    for (const client of this.clients) client.stop();
    await Promise.all(running);
    await this.checkRest();
    await this.readAll();
    await this.checkCounts();
    for (const { text } of judge(this.history).violations) this.findings.violation(text);
    this.checkLog();
  }

  private async readAll(): Promise<void> {
    const keys = this.history.keys();
    const shared = this.clients.map((_, i) => keys.filter((_key, at) => at % this.clients.length === i));
    await Promise.all(this.clients.map((client, i) => client.readAll(shared[i] as string[])));
  }

  /** Without load all has to be as it was before. */
  private async checkRest(): Promise<void> {
    const check = async (): Promise<void> => {
      this.after = this.state();
      for (const name of ['kask_cassandra_requests_in_flight', 'kask_http_requests_in_flight'])
        if ((await metric(this.kask, name)) > 0) throw new Error(`${name} is above 0`);
      const { connections, mib } = this.after;
      if (connections !== this.before.connections) throw new Error(`${connections} connections to Cassandra`);
      if (mib > this.before.mib + MORE_MEMORY_MIB) throw new Error(`${mib} MiB of memory`);
    };
    await eventually(check, REST_MS).catch((error: Error) =>
      this.findings.violation(`after the load: ${error.message}`),
    );
  }

  /** What the service counted is what its clients saw; it counts once an answer has left. */
  private async checkCounts(): Promise<void> {
    const seen = JSON.stringify(tally(this.findings.asked));
    const check = async (): Promise<void> => {
      const counted = JSON.stringify(await requestCounts(this.kask));
      if (counted !== seen) throw new Error(`clients saw ${seen}, and the service counted ${counted}`);
    };
    await eventually(check, COUNTED_MS).catch((error: Error) => this.findings.violation(error.message));
  }

  private checkLog(): void {
    if (!this.isRunning) this.findings.violation(`the service has ended: ${this.kask.stdout.slice(-1_000)}`);
    if (this.kask.stderr) this.findings.violation(`on stderr: ${this.kask.stderr.slice(0, 1_000)}`);
    for (const line of this.kask.logs())
      if (/ERROR|FATAL/.test(line.level) && !isOfTheStorage(line.msg, line.status))
        this.findings.violation(`logged: ${JSON.stringify(line)}`);
  }

  /** Why requests failed, as the service has it. */
  private reasons(): string[] {
    const counts = new Map<string, number>();
    for (const { msg, status, reason } of this.kask.logs()) {
      if (msg !== 'session request') continue;
      const line = `${String(status)} ${String(reason)}`;
      counts.set(line, (counts.get(line) ?? 0) + 1);
    }
    return [...counts].sort().map(([line, count]) => `${count} × ${line}`);
  }

  private state(): { connections: number; mib: number } {
    const { pid } = this.kask;
    return this.isRunning
      ? { connections: connectionsToCassandra(pid), mib: residentMib(pid) }
      : { connections: 0, mib: 0 };
  }

  private get isRunning(): boolean {
    return this.kask.isRunning;
  }
}

function isOfTheStorage(msg: string, status: unknown): boolean {
  return (
    msg === 'storage does not serve' || (msg === 'session request' && (status === 503 || status === 504))
  );
}

function group(count: number, common: Group, valueBytes: ClientOptions['valueBytes']) {
  return Array.from({ length: count }, (_, i) => ({ ...common, name: `${common.name}${i}`, valueBytes }));
}
