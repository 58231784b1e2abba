import { type Client, errors, type Host, types } from 'cassandra-driver';
import { explain, fromDriverError } from '../cassandra-errors.js';
import { DataPath } from '../data-path.js';
import type { LocalDatacenterPolicy } from '../local-datacenter.js';
import type { Execution, Row } from './execution.js';
import { Hedging } from './hedging.js';
import { LaneNode, type LaneNodeOptions } from './lane-node.js';
import { Replicas } from './replicas.js';
import { type Coordinator, runOn, type Terms } from './session-operation.js';
import { TimerWheel } from './timer-wheel.js';

/** How late a deadline may be noticed, in ms. */
const TICK_MS = 10;

export interface LaneOptions
  extends Omit<LaneNodeOptions, 'wheel' | 'isNeeded'>, Pick<Terms, 'onHedge' | 'onNextTry'> {
  keyspace: string;
}

/**
 * The lean way of the statements of a session to the nodes of our datacenter, on connections of its own. Which
 * nodes there are, where their tokens lie, and which are up, the driver knows.
 */
export class Lane extends DataPath {
  private readonly terms: Terms;
  private readonly nodeOptions: LaneNodeOptions;
  private readonly nodes = new Map<string, LaneNode>();
  private readonly replicas: Replicas;
  private turn = 0;
  private isClosed = false;

  constructor(
    private readonly client: Client,
    private readonly coordinators: LocalDatacenterPolicy,
    options: LaneOptions,
  ) {
    super();
    const { onHedge, onNextTry } = options;
    this.terms = { wheel: new TimerWheel(TICK_MS), hedging: new Hedging(), onHedge, onNextTry };
    const isNeeded = (node: LaneNode): boolean =>
      this.openNodes().every((other) => other === node || other.isAside);
    this.nodeOptions = { ...options, wheel: this.terms.wheel, isNeeded };
    this.replicas = new Replicas(() => client.metadata, options.keyspace);
    client.on('hostAdd', (host: Host) => void this.add(host));
    client.on('hostUp', (host: Host) => void this.add(host));
    client.on('hostRemove', (host: Host) => this.remove(host));
  }

  /** Resolves when one node can be asked, or every one was tried. */
  async open(): Promise<void> {
    const opened = this.client.hosts.values().map(async (host) => {
      await this.add(host);
      if (!this.nodes.get(host.address)?.isOpen) throw new Error('not open');
    });
    await Promise.any(opened).catch(() => undefined);
  }

  run(execution: Execution, timeoutMs: number): Promise<Row | undefined> {
    return runOn(this.plan(execution.key), execution, performance.now() + timeoutMs, this.terms);
  }

  get connections(): number {
    return this.openNodes().length;
  }

  get requestsInFlight(): number {
    return this.openNodes().reduce((sum, node) => sum + node.inFlight, 0);
  }

  get nodesPutAside(): number {
    return [...this.nodes.values()].filter((node) => node.isAside).length;
  }

  close(): void {
    this.isClosed = true;
    for (const node of this.nodes.values()) node.close();
    this.nodes.clear();
  }

  /**
   * The replicas of a key first, each of them in its turn, as they need not ask another for the row; then other nodes.
   * Who is put aside comes last. Those are looked for only when no replica would do.
   */
  private *plan(key: Buffer): Generator<Coordinator> {
    const turn = this.turn++;
    const replicas = this.openReplicas(key);
    yield* inTurn(replicas, turn);
    const others = this.openNodes().filter((node) => !replicas.includes(node));
    const aside = others.filter((node) => node.isAside);
    yield* inTurn(
      others.filter((node) => !aside.includes(node)),
      turn,
    );
    yield* inTurn(aside, turn);
    if (replicas.length + others.length === 0) throw this.unreachable();
  }

  /** Of our datacenter alone, before they take turns: whoever comes after those of another would have theirs as well. */
  private openReplicas(key: Buffer): LaneNode[] {
    const open: LaneNode[] = [];
    for (const address of this.replicas.of(key)) {
      const node = this.nodes.get(address);
      if (node?.isOpen && !node.isAside) open.push(node);
    }
    return open;
  }

  /** With what each node said: nobody else tells, as the driver may well have its connections. */
  private unreachable(): Error {
    const said = [...this.nodes.values()].map(({ address, whyNot }) => [
      address,
      new Error(whyNot ? explain(whyNot) : 'not connected yet'),
    ]);
    return fromDriverError(new errors.NoHostAvailableError(Object.fromEntries(said))) as Error;
  }

  private openNodes(): LaneNode[] {
    return [...this.nodes.values()].filter((node) => node.isOpen);
  }

  private add(host: Host): Promise<void> {
    // The driver may still tell of nodes while it is shut down.
    if (this.isClosed || this.coordinators.getDistance(host) !== types.distance.local)
      return Promise.resolve();
    let node = this.nodes.get(host.address);
    if (!node) this.nodes.set(host.address, (node = new LaneNode(host, this.nodeOptions)));
    return node.open();
  }

  private remove({ address }: Host): void {
    this.nodes.get(address)?.close();
    this.nodes.delete(address);
  }
}

function* inTurn(nodes: readonly LaneNode[], turn: number): Generator<LaneNode> {
  for (let i = 0; i < nodes.length; i++) yield nodes[(turn + i) % nodes.length] as LaneNode;
}
