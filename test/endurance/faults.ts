import { setTimeout as sleep } from 'node:timers/promises';
import type { CassandraCluster } from '../harness/cassandra/cluster.js';
import { CQL_PORT } from '../harness/cassandra/loopback.js';
import type { CassandraNode } from '../harness/cassandra/node.js';
import { canCutConnections, cutConnections } from './connections.js';
import type { Findings } from './findings.js';
import type { Random } from './random.js';

const KINDS = ['killed', 'terminated', 'frozen', 'cut off'] as const;
export type FaultKind = (typeof KINDS)[number];

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

/** Those who believed a node dead need a moment to believe otherwise, in ms. */
const SETTLE_MS = 5_000;
const CUT_EVERY_MS = 400;

/** What is done next, to one node or to two at a time. */
export function drawStep(random: Random, nodes: number): Fault[] {
  const count = random.chance(0.3) ? 2 : 1;
  const first = random.between(0, nodes - 1);
  return Array.from({ length: count }, (_, i) => ({
    kind: random.oneOf(KINDS),
    node: (first + i) % nodes,
    ms: random.between(1_000, 12_000),
    afterMs: i * random.between(0, 3_000),
  }));
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
  ) {}

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

  private during(node: CassandraNode, kind: FaultKind, ms: number): Promise<void> {
    if (kind === 'frozen') return this.freeze(node, ms);
    if (kind === 'cut off') return this.cutOff(node, ms);
    return this.end(node, kind === 'killed' ? 'kill' : 'terminate', ms);
  }

  private async end(node: CassandraNode, how: 'kill' | 'terminate', ms: number): Promise<void> {
    await this.cluster[how](node);
    await sleep(ms);
    await this.cluster.restart(node);
  }

  private async freeze(node: CassandraNode, ms: number): Promise<void> {
    this.cluster.freeze(node);
    await sleep(ms);
    this.cluster.thaw(node);
  }

  private async cutOff(node: CassandraNode, ms: number): Promise<void> {
    for (const end = Date.now() + ms; Date.now() < end; await sleep(CUT_EVERY_MS))
      await cutConnections(node.address, CQL_PORT);
  }

  private nodeOf({ node }: Fault): CassandraNode {
    return this.cluster.nodes[node] as CassandraNode;
  }
}
