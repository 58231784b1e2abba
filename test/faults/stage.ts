import { setTimeout as sleep } from 'node:timers/promises';
import { types } from 'cassandra-driver';
import { Findings } from '../endurance/findings.js';
import { Random } from '../endurance/random.js';
import { untilServes } from '../harness/cassandra/availability.js';
import { CassandraCluster } from '../harness/cassandra/cluster.js';
import type { CassandraNode } from '../harness/cassandra/node.js';
import { type Asked, type Datacenter, DATACENTERS } from './asked.js';
import { Load } from './load.js';
import { Services } from './services.js';

const NODES = 3;
const KEYSPACE = 'sessions';
/** Of load, in ms, until the nodes have compiled what they run most. */
const WARM_UP_MS = 15_000;
/** As docs/cassandra.md has it. */
const SPECULATION = `speculative_retry = 'MIN(99P,50ms)' AND additional_write_policy = 'MIN(99P,50ms)'`;

type ThreeNodes = [CassandraNode, CassandraNode, CassandraNode];

export interface StageOptions {
  seed: number;
  /** Requests begun in each datacenter. */
  perSecond: number;
  tell: (text: string) => void;
}

/** Two datacenters of three nodes, the service in each, and clients who never pause: scenarios are played on it. */
export class Stage {
  readonly eqiad: ThreeNodes;
  readonly codfw: ThreeNodes;
  readonly services: Record<Datacenter, Services>;
  readonly asked: Asked[] = [];
  /** What a scenario itself saw go wrong. */
  findings = new Findings();
  private readonly loads: Load[];

  private constructor(
    readonly cluster: CassandraCluster,
    readonly options: StageOptions,
  ) {
    this.eqiad = cluster.nodes.slice(0, NODES) as ThreeNodes;
    this.codfw = cluster.nodes.slice(NODES) as ThreeNodes;
    this.services = { eqiad: this.servicesIn('eqiad'), codfw: this.servicesIn('codfw') };
    this.loads = DATACENTERS.map(
      (datacenter, i) =>
        new Load(datacenter, this.services[datacenter], new Random(options.seed + i), this.asked),
    );
  }

  static async open(options: StageOptions): Promise<Stage> {
    options.tell('starting Cassandra');
    const datacenters = Object.fromEntries(DATACENTERS.map((name) => [name, NODES]));
    const cluster = await CassandraCluster.start({ datacenters, partitions: true, isPolite: true });
    const stage = new Stage(cluster, options);
    try {
      await stage.prepare();
      return stage;
    } catch (error) {
      await stage.close();
      throw error;
    }
  }

  /** From a moment on, in ms since 1970. */
  complaints(since: number): string[] {
    return DATACENTERS.flatMap((datacenter) =>
      this.services[datacenter].complaints(since).map((line) => `${datacenter}: ${line}`),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.loads.map((load) => load.stop()));
    await Promise.all(DATACENTERS.map((datacenter) => this.services[datacenter].kill()));
    await this.cluster.stop();
  }

  /** Every node believes all others alive, and the service is ready. */
  async untilWell(): Promise<void> {
    await Promise.all(this.cluster.nodes.map((node) => untilServes(node, types.consistencies.all)));
    await Promise.all(DATACENTERS.map((datacenter) => this.services[datacenter].untilReady()));
  }

  private async prepare(): Promise<void> {
    await this.cluster.createSessionTable(KEYSPACE);
    await this.cluster.execute(`ALTER TABLE ${KEYSPACE}."values" WITH ${SPECULATION}`);
    for (const datacenter of DATACENTERS) await this.services[datacenter].start();
    await this.untilWell();
    await Promise.all(this.loads.map((load) => load.start(this.options.perSecond)));
    await sleep(WARM_UP_MS);
  }

  private servicesIn(datacenter: Datacenter): Services {
    return new Services(() => ({
      hosts: this[datacenter].map((node) => node.address),
      keyspace: KEYSPACE,
      local_dc: datacenter,
    }));
  }
}
