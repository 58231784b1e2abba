import { setTimeout as sleep } from 'node:timers/promises';
import { ALL_FAULTS, type Fault, Faults } from '../endurance/faults.js';
import { Random } from '../endurance/random.js';
import { CassandraCluster } from '../harness/cassandra/cluster.js';
import { eventually } from '../harness/cassandra/poll.js';
import { KaskProcess } from '../harness/kask.js';
import { metric } from '../harness/metrics.js';
import { untilReady } from '../harness/readiness.js';
import { JudgedLoad } from './judged-load.js';
import { RegisterLoad, REGISTERS } from './register-load.js';
import { onCassandra } from './stores.js';

const DATACENTERS = { eqiad: 3, codfw: 3 };
const KEYSPACE = 'sessions';
const TTL_SECONDS = 20;
const REQUEST_TIMEOUT_MS = 2_500;
const CLIENTS_PER_SERVICE = 12;
const PAUSE_MS = 120;
/** Until nodes that were away believe each other well, and the hints for them are written, in ms. */
const HEALING_MS = 20_000;
/** Of load while all is well, and until what was written then is everywhere; together less than the TTL, in ms. */
const WELL_MS = 8_000;
const SETTLING_MS = 8_000;

/** Within which deletes that are pending have to be everywhere once all is well, in ms. */
const PENDING_MS = 30_000;

export interface JudgeOptions {
  seed: number;
  tell: (text: string) => void;
}

export interface DatacenterService {
  datacenter: string;
  kask: KaskProcess;
}

/** One service in each datacenter, clients that share sessions across both, and nodes to which things happen. */
export class CassandraJudge {
  readonly load: JudgedLoad;
  readonly registers: RegisterLoad;
  private readonly faults: Faults;

  /** The services have `settings` of their own datacenter. */
  constructor(
    readonly cluster: CassandraCluster,
    private readonly services: readonly DatacenterService[],
    private readonly options: JudgeOptions,
  ) {
    const judged = services.map(({ datacenter, kask }) => ({
      datacenter,
      url: (key: string) => kask.url(key),
    }));
    this.registers = new RegisterLoad(judged, { seed: options.seed, pauseMs: PAUSE_MS });
    this.load = new JudgedLoad(
      judged,
      { ...onCassandra(TTL_SECONDS * 1_000), seed: options.seed, frozen: [] },
      { clientsPerService: CLIENTS_PER_SERVICE, pauseMs: PAUSE_MS, requestTimeoutMs: REQUEST_TIMEOUT_MS },
    );
    const { findings, history } = this.load;
    this.faults = new Faults(cluster, findings, options.tell, history.circumstances.frozen);
  }

  static async start(options: JudgeOptions): Promise<CassandraJudge> {
    options.tell('starting Cassandra');
    const cluster = await CassandraCluster.start({
      datacenters: DATACENTERS,
      partitions: true,
      isPolite: true,
    });
    try {
      await cluster.createSessionTable(KEYSPACE);
      const starting = Object.keys(DATACENTERS).map(async (datacenter) => ({
        datacenter,
        kask: await KaskProcess.start(settings(cluster, datacenter)),
      }));
      return new CassandraJudge(cluster, await Promise.all(starting), options);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** What happens until the time is over is drawn from the seed. */
  async judgeFor(ms: number): Promise<void> {
    const random = new Random(this.options.seed);
    await this.during(() => this.faults.inflictFor(ms, random, ALL_FAULTS, () => this.areRunning));
  }

  async judgeSteps(steps: readonly Fault[][]): Promise<void> {
    await this.during(async () => {
      for (const step of steps) await this.faults.inflict(step);
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.services.map(({ kask }) => kask.kill()));
    await this.cluster.stop();
  }

  private async during(happen: () => Promise<void>): Promise<void> {
    await this.untilReady();
    this.load.start();
    this.registers.start();
    await happen();
    await this.untilReady();
    await sleep(HEALING_MS);
    await this.settle();
    await this.load.readAll();
    if (!this.areRunning) this.load.findings.violation('a service has ended');
  }

  private async settle(): Promise<void> {
    const { circumstances } = this.load.history;
    this.options.tell('all is well');
    circumstances.healedAt = performance.now();
    await sleep(WELL_MS);
    await Promise.all([this.load.stop(), this.registers.stop()]);
    await sleep(SETTLING_MS);
    await this.untilNothingIsPending();
    circumstances.settledAt = performance.now();
  }

  private async untilReady(): Promise<void> {
    await Promise.all(this.services.map(({ kask }) => untilReady(kask, 60_000)));
  }

  /** Logouts that not every datacenter had acknowledged are repeated. */
  private async untilNothingIsPending(): Promise<void> {
    const check = async ({ kask }: DatacenterService): Promise<void> =>
      expectNone(await metric(kask, 'kask_pending_deletes'));
    await Promise.all(this.services.map((service) => eventually(() => check(service), PENDING_MS)));
  }

  private get areRunning(): boolean {
    return this.services.every(({ kask }) => kask.isRunning);
  }
}

function expectNone(pending: number): void {
  if (pending > 0) throw new Error(`${pending} deletes are still pending`);
}

/** Of the service of a datacenter that is to be judged. */
export function settings(cluster: CassandraCluster, datacenter: string): Record<string, unknown> {
  const own = cluster.nodes.filter((node) => node.datacenter === datacenter);
  return {
    default_ttl: TTL_SECONDS,
    namespaces: REGISTERS,
    cassandra: {
      hosts: own.map((node) => node.address),
      keyspace: KEYSPACE,
      local_dc: datacenter,
    },
  };
}
