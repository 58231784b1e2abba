import { setTimeout as sleep } from 'node:timers/promises';
import type { CassandraCluster } from '../harness/cassandra/cluster.js';
import { CQL_PORT } from '../harness/cassandra/loopback.js';
import type { CassandraNode } from '../harness/cassandra/node.js';
import { canCutConnections, cutConnections } from './connections.js';
import type { Findings } from './findings.js';
import type { Random } from './random.js';

/** Of one node; those that are cut off are its clients. */
export const NODE_FAULTS = ['killed', 'terminated', 'frozen', 'cut off'] as const;
/** The node from all others, and all nodes of its datacenter. */
const WIDE_FAULTS = ['parted from all', 'killed with its datacenter', 'parted with its datacenter'] as const;
export const ALL_FAULTS = [...NODE_FAULTS, ...WIDE_FAULTS] as const;
export type FaultKind = (typeof ALL_FAULTS)[number];

/** One thing that is done to one node. */
export interface Fault {
  kind: FaultKind;
  /** Which of the nodes. */
  node: number;
  /** For so long, in ms; a process that ended then starts again, which takes its own time. */
  ms: number;
  /** After those of the same step, in ms. */
  afterMs: number;
}

const CALM_MS = { from: 500, to: 6_000 };
/** Those who believed a node dead need a moment to believe otherwise, in ms. */
const SETTLE_MS = 5_000;
const CUT_EVERY_MS = 400;

/** What is done next, to one node or to two at a time; what concerns others as well comes alone. */
function drawStep(random: Random, nodes: number, kinds: readonly FaultKind[]): Fault[] {
  const count = random.chance(0.3) ? 2 : 1;
  const first = random.between(0, nodes - 1);
  const drawn = Array.from({ length: count }, (_, i) => ({
    kind: random.oneOf(kinds),
    node: (first + i) % nodes,
    ms: random.between(1_000, 12_000),
    afterMs: i * random.between(0, 3_000),
  }));
  const wide = drawn.find(({ kind }) => (WIDE_FAULTS as readonly FaultKind[]).includes(kind));
  return wide ? [{ ...wide, afterMs: 0 }] : drawn;
}

/** Does to the nodes of a cluster what happens to nodes. */
export class Faults {
  readonly done = new Map<FaultKind, number>();
  private readonly settling: Promise<void>[] = [];
  private canCut: boolean | undefined;

  constructor(
    private readonly cluster: CassandraCluster,
    private readonly findings: Findings,
    private readonly tell: (text: string) => void,
    /** Is told when nodes were, as `performance.now()` has it. */
    private readonly frozen: { from: number; to: number }[],
  ) {}

  /** One step after the other, as the seed has it. */
  async inflictFor(
    ms: number,
    random: Random,
    kinds: readonly FaultKind[],
    isWorthIt: () => boolean,
  ): Promise<void> {
    for (const end = Date.now() + ms; Date.now() < end && isWorthIt();) {
      await this.inflict(drawStep(random, this.cluster.nodes.length, kinds));
      await sleep(random.between(CALM_MS.from, CALM_MS.to));
    }
  }

  /** Resolves when all nodes of the step serve again. */
  async inflict(step: readonly Fault[]): Promise<void> {
    this.canCut ??= await canCutConnections();
    const possible = step.filter(({ kind }) => kind !== 'cut off' || this.canCut);
    if (possible.length < step.length) this.tell('connections cannot be cut here: left out');
    await Promise.all(possible.map((fault) => this.inflictOn(this.nodeOf(fault), fault)));
  }

  /** Resolves when all are believed to be well. */
  async settled(): Promise<void> {
    await Promise.all(this.settling);
  }

  private async inflictOn(node: CassandraNode, { kind, ms, afterMs }: Fault): Promise<void> {
    await sleep(afterMs);
    this.tell(`${node.name} is ${kind} for ${ms} ms`);
    this.done.set(kind, (this.done.get(kind) ?? 0) + 1);
    this.findings.nodesAway++;
    await this.during(node, kind, ms);
    this.tell(`${node.name} is back`);
    this.settling.push(sleep(SETTLE_MS).then(() => void this.findings.nodesAway--));
  }

  private async during(node: CassandraNode, kind: FaultKind, ms: number): Promise<void> {
    const datacenter = this.cluster.nodes.filter((each) => each.datacenter === node.datacenter);
    switch (kind) {
      case 'killed':
        return this.end(node, 'kill', ms);
      case 'terminated':
        return this.end(node, 'terminate', ms);
      case 'frozen':
        return this.freeze(node, ms);
      case 'cut off':
        return this.cutOff(node, ms);
      case 'parted from all':
        return this.part([node], ms);
      case 'parted with its datacenter':
        return this.part(datacenter, ms);
      case 'killed with its datacenter':
        await Promise.all(datacenter.map((each) => this.end(each, 'kill', ms)));
    }
  }

  private async end(node: CassandraNode, how: 'kill' | 'terminate', ms: number): Promise<void> {
    await this.cluster[how](node);
    await sleep(ms);
    await this.cluster.restart(node);
  }

  private async freeze(node: CassandraNode, ms: number): Promise<void> {
    const from = performance.now();
    this.cluster.freeze(node);
    await sleep(ms);
    this.cluster.thaw(node);
    this.frozen.push({ from, to: performance.now() });
  }

  private async part(nodes: CassandraNode[], ms: number): Promise<void> {
    const others = this.cluster.nodes.filter((node) => !nodes.includes(node));
    await this.cluster.partition(nodes, others);
    await sleep(ms);
    await this.cluster.heal();
  }

  private async cutOff(node: CassandraNode, ms: number): Promise<void> {
    for (const end = Date.now() + ms; Date.now() < end; await sleep(CUT_EVERY_MS))
      await cutConnections(node.address, CQL_PORT);
  }

  private nodeOf({ node }: Fault): CassandraNode {
    return this.cluster.nodes[node] as CassandraNode;
  }
}
