import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../endurance/random.js';
import { send } from '../endurance/request.js';
import { residentMib } from '../endurance/service-state.js';
import type { CassandraCluster } from '../harness/cassandra/cluster.js';
import type { CassandraNode } from '../harness/cassandra/node.js';
import type { KaskProcess } from '../harness/kask.js';
import { Load } from './load.js';
import type { Scenario } from './scenario.js';
import type { Stage } from './stage.js';

/** Clients who each ask again as soon as they are answered: as many as it takes to find out what can be done. */
const EAGER_CLIENTS = 96;
const PEAK_MS = 10_000;
const SETTLE_MS = 10_000;
const TIMES = 3;
const GOODPUT = 0.8;
const ANSWERED_MS = 1_000;
const MORE_MEMORY_MIB = 64;
const WATCH_EVERY_MS = 250;

/**
 * Three times what the nodes of a datacenter can do. They are made so slow that this machine can ask for that much:
 * otherwise it would be the clients, on the same processors, who are measured.
 */
export function overload(): Scenario {
  let slow: SlowNodes;
  let crowd: Load;
  let watch: Watch;
  let peak = 0;
  const overloaded = { from: 0, to: 0 };
  return {
    name: 'overload',
    title: 'Three times as much as the nodes can do',
    inflict: async (stage) => {
      slow = new SlowNodes(stage.cluster, stage.eqiad);
      peak = await peakOf(stage);
      crowd = new Load('eqiad', stage.services.eqiad, new Random(stage.options.seed + 2), stage.asked);
      watch = new Watch(stage.services.eqiad.processes[0] as KaskProcess);
      await crowd.start(TIMES * peak);
      await sleep(SETTLE_MS);
      watch.settled();
      overloaded.from = performance.now();
    },
    lastsMs: 30_000,
    mend: async () => {
      overloaded.to = performance.now();
      await crowd.stop();
      await watch.stop();
      slow.stop();
    },
    verify: (stage) => {
      const seconds = (overloaded.to - overloaded.from) / 1_000;
      const goodput = done(stage, overloaded.from, overloaded.to) / seconds;
      stage.options.tell(
        `peak ${peak.toFixed(0)}/s, goodput ${goodput.toFixed(0)}/s (${(goodput / peak).toFixed(2)}), ${watch.told()}`,
      );
      if (goodput < GOODPUT * peak)
        stage.findings.violation(`goodput ${goodput.toFixed(0)} of ${peak.toFixed(0)}/s`);
      for (const each of watch.wrong()) stage.findings.violation(each);
      return Promise.resolve();
    },
    expects: [],
  };
}

/** Requests that were answered as they should be, a second. */
async function peakOf({ services, cluster, options }: Stage): Promise<number> {
  const agent = new Agent({ keepAlive: true });
  const end = performance.now() + PEAK_MS;
  let answered = 0;
  const clients = Array.from({ length: EAGER_CLIENTS }, async (_, i) => {
    const url = services.eqiad.next().url(`enwiki:MWSession:eager${i}`);
    for (let turn = i; performance.now() < end; turn++) {
      const isWrite = turn % 4 === 0;
      const { status } = await send(
        isWrite ? 'POST' : 'GET',
        url,
        agent,
        isWrite ? Buffer.alloc(2_000, 'x') : undefined,
      );
      if ([200, 201, 404].includes(status)) answered++;
    }
  });
  await Promise.all(clients);
  agent.destroy();
  options.tell(`${cluster.nodes.length} nodes, those of eqiad slow: ${answered} answers in ${PEAK_MS} ms`);
  return (answered * 1_000) / PEAK_MS;
}

function done({ asked }: Stage, from: number, to: number): number {
  return asked.filter(
    ({ at, datacenter, failure }) => datacenter === 'eqiad' && !failure && at >= from && at < to,
  ).length;
}

/** Nodes that get a processor for a part of the time only. */
class SlowNodes {
  private static readonly RUNS_MS = 10;
  private static readonly STANDS_MS = 90;
  private isStopped = false;

  constructor(
    private readonly cluster: CassandraCluster,
    private readonly nodes: readonly CassandraNode[],
  ) {
    void this.run();
  }

  stop(): void {
    this.isStopped = true;
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      for (const node of this.nodes) this.cluster.freeze(node);
      await sleep(SlowNodes.STANDS_MS);
      for (const node of this.nodes) this.cluster.thaw(node);
      await sleep(SlowNodes.RUNS_MS);
    }
  }
}

/** Whoever looks after the service: how long health and metrics take, and its memory. */
class Watch {
  private readonly agent = new Agent({ keepAlive: false });
  private before: number;
  private most = 0;
  private slowestMs = 0;
  private readonly statuses = new Set<string>();
  private isStopped = false;
  private readonly running: Promise<void>;

  constructor(private readonly kask: KaskProcess) {
    this.before = residentMib(kask.pid);
    this.running = this.run();
  }

  /** Every client has a connection by now: from here on memory has to be flat. */
  settled(): void {
    this.before = this.most;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.running;
  }

  told(): string {
    return `health and metrics within ${this.slowestMs.toFixed(0)} ms, memory ${this.before} -> ${this.most} MiB`;
  }

  wrong(): string[] {
    return [
      ...(this.slowestMs > ANSWERED_MS ? [`health or metrics took ${this.slowestMs.toFixed(0)} ms`] : []),
      ...(this.most > this.before + MORE_MEMORY_MIB ? [`memory ${this.before} -> ${this.most} MiB`] : []),
      ...[...this.statuses].filter((each) => !/ 200$|ready 503$/.test(each)),
    ];
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      for (const path of ['/healthz/live', '/healthz/ready', '/metrics']) {
        const { status, ms } = await send('GET', this.kask.origin + path, this.agent);
        this.statuses.add(`${path} ${status}`);
        this.slowestMs = Math.max(this.slowestMs, ms);
      }
      this.most = Math.max(this.most, residentMib(this.kask.pid));
      await sleep(WATCH_EVERY_MS);
    }
  }
}
