import { mkdtempSync } from 'node:fs';
import path from 'node:path';
import type { Client, types } from 'cassandra-driver';
import type { Certificates } from '../certificates.js';
import { commandExists, requireJava } from '../prerequisites.js';
import { Guardian } from '../guardian.js';
import { roomInMemory } from '../room-in-memory.js';
import { cassandraClassPath } from './jars.js';
import { javaArguments } from './jvm.js';
import { anotherAddress, freeAddressBase, requireFreePorts } from './loopback.js';
import { CassandraNode } from './node.js';
import { type Access, withClient } from './node-client.js';
import { writeNodeFiles } from './node-files.js';
import { groupOf, Partitions } from './partitions.js';
import { eventually } from './poll.js';
import { waitForRing } from './ring.js';
import { createSessionTable, replication } from './session-table.js';
import { type Datacenters, planNodes } from './topology.js';

export interface ClusterOptions {
  /** How many nodes each datacenter has. One node boots in 4 s and takes 0.3 GB; 3 + 3 take 25 s and 2 GB. */
  datacenters: Datacenters;
  /** Three octets, such as `127.0.5`; by default some that are free. */
  addressBase?: string;
  /** Clients need a password; `SUPERUSER` has every right. */
  authentication?: boolean;
  /** Clients need TLS and a certificate. The addresses are those that the nodes will have. */
  tls?: (addresses: string[]) => Certificates;
  /** Nodes can be cut from each other: takes root and iptables. */
  partitions?: boolean;
  /** Entries of cassandra.yaml that win over the harness's. */
  yaml?: Record<string, unknown>;
  /**
   * Nodes step back for the service and its clients, who in production have machines of their own: six nodes that boot
   * on two cores would else leave them no time to keep theirs.
   */
  isPolite?: boolean;
  /** Arguments of the JVM that win over the harness's. */
  jvm?: string[];
}

/** Of memory for all nodes of a cluster: where they wait for one disk at each write they stall each other. */
const ENOUGH_BYTES = 4 * 1024 ** 3;

/** Real Cassandra nodes on loopback addresses, which end with the tests. */
export class CassandraCluster {
  private constructor(
    readonly directory: string,
    readonly nodes: readonly CassandraNode[],
    private readonly access: Access,
    private readonly guardian: Guardian,
    private readonly partitions: Partitions | undefined,
  ) {}

  /** Resolves when every node serves clients and knows all others. */
  static async start(options: ClusterOptions): Promise<CassandraCluster> {
    const cluster = await CassandraCluster.prepare(options);
    try {
      await cluster.boot();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  private static async prepare(options: ClusterOptions): Promise<CassandraCluster> {
    const java = requireJava();
    const classPath = await cassandraClassPath();
    const plans = planNodes(options.datacenters, await addressBase(options));
    const addresses = plans.map((plan) => plan.address);
    const access = {
      authentication: options.authentication ?? false,
      certificates: options.tls?.(addresses),
    };
    const directory = mkdtempSync(path.join(roomInMemory(ENOUGH_BYTES), 'kask-cassandra-'));
    const partitions = options.partitions ? new Partitions(path.basename(directory)) : undefined;
    const guardian = new Guardian(directory, partitions?.removal);
    const settings = { seeds: addresses, yaml: options.yaml ?? {}, ...access };
    const nodes = plans.map((plan) => {
      const files = writeNodeFiles(path.join(directory, plan.name), plan, settings);
      const politely = options.isPolite && commandExists('chrt') ? ['chrt', '--idle', '0'] : [];
      const command = [...politely, java, ...javaArguments(files, classPath, plans.length, options.jvm)];
      return new CassandraNode(plan, files, command, options.partitions ? groupOf(plan.address) : undefined);
    });
    return new CassandraCluster(directory, nodes, access, guardian, partitions);
  }

  /** Where a client may connect first: every node's address. */
  get contactPoints(): string[] {
    return this.nodes.map((node) => node.address);
  }

  /** What clients authenticate with under TLS. */
  get certificates(): Certificates | undefined {
    return this.access.certificates;
  }

  /** SIGKILL, as the OOM killer and a power cut do it. */
  async kill(node: CassandraNode): Promise<void> {
    await this.end(node, 'SIGKILL');
  }

  /** SIGTERM: the node drains first. */
  async terminate(node: CassandraNode): Promise<void> {
    await this.end(node, 'SIGTERM');
  }

  /** The node keeps its connections and answers nothing, as a long collection or a dying disk does it. */
  freeze(node: CassandraNode): void {
    node.freeze();
  }

  thaw(node: CassandraNode): void {
    node.thaw();
  }

  /** From now on these and those hear nothing of each other; clients reach all. They notice within 30 s. */
  async partition(some: readonly CassandraNode[], others: readonly CassandraNode[]): Promise<void> {
    if (!this.partitions) throw new Error('the cluster was started without partitions');
    await this.partitions.cut(some, others);
  }

  /** Ends all partitions; nodes believe each other well again within seconds. */
  async heal(): Promise<void> {
    await this.partitions?.heal();
  }

  /**
   * Starts a node that is dead, with the data that it had, and waits until it serves clients. Others may believe it
   * dead for some seconds more: where that matters, wait for what your client sees.
   */
  async restart(node: CassandraNode): Promise<void> {
    this.spawn(node);
    await this.serving(node);
  }

  /** The same under another address, as pods come back. */
  async restartElsewhere(node: CassandraNode): Promise<void> {
    node.moveTo(anotherAddress(node.address));
    await this.restart(node);
  }

  /** Kills all nodes, frozen ones too, and removes what they stored. */
  async stop(): Promise<void> {
    await this.guardian.finish();
    await Promise.all(this.nodes.map((node) => node.exited()));
  }

  /** Runs a statement as superuser through the first node that is awake: for what a test needs to be there. */
  async execute(cql: string, parameters?: unknown[]): Promise<types.ResultSet> {
    return this.withClient((client) =>
      client.execute(cql, parameters, { prepare: parameters !== undefined }),
    );
  }

  /** A keyspace with the table of sessions, in up to three replicas in each datacenter. */
  async createSessionTable(keyspace: string): Promise<void> {
    await this.withClient((client) => createSessionTable(client, keyspace));
  }

  private async boot(): Promise<void> {
    await this.partitions?.open();
    for (const node of this.nodes) this.spawn(node);
    await Promise.all(this.nodes.map((node) => this.serving(node)));
    await waitForRing(this.contactPoints, this.access);
    if (this.access.authentication) await this.spreadRoles();
  }

  /** Roles can be created only once their keyspace knows the datacenters. */
  private async spreadRoles(): Promise<void> {
    await this.withClient((client) =>
      client.execute(`ALTER KEYSPACE system_auth WITH replication = ${replication(client)}`),
    );
    await waitForRing(this.contactPoints, this.access);
  }

  private spawn(node: CassandraNode): void {
    node.spawn(() => this.watch());
    this.watch();
  }

  private watch(): void {
    this.guardian.watch(this.nodes.flatMap((node) => node.pid ?? []));
  }

  /** The port is open and the driver gets in, for which the superuser has to exist. */
  private async serving(node: CassandraNode): Promise<void> {
    await eventually(async () => {
      await node.connect();
      await withClient(node.address, this.access, (client) => client.execute('SELECT key FROM system.local'));
    });
  }

  private async end(node: CassandraNode, signal: NodeJS.Signals): Promise<void> {
    node.signal(signal);
    await node.exited();
  }

  private async withClient<T>(use: (client: Client) => Promise<T>): Promise<T> {
    const node = this.nodes.find((each) => each.awake);
    if (!node) throw new Error('no node of the cluster is awake');
    return withClient(node.address, this.access, use);
  }
}

async function addressBase(options: ClusterOptions): Promise<string> {
  if (options.addressBase === undefined) return freeAddressBase(options.datacenters);
  await requireFreePorts(options.datacenters, options.addressBase);
  return options.addressBase;
}
