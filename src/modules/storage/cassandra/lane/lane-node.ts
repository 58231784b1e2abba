import type { Host } from 'cassandra-driver';
import { PROBE_KEY } from '../../session-store.js';
import { ConnectionLost } from './channel.js';
import type { Execution } from './execution.js';
import { type Attempt, LaneConnection, type NodeOptions } from './lane-connection.js';
import type { Coordinator } from './session-operation.js';
import { Standing } from './standing.js';

/** A node that is well answers a probe within so long, in ms. */
const PROBE: Execution = { statement: 'get', key: Buffer.from(PROBE_KEY), timestamp: 0 };
const PROBE_MS = 500;

/**
 * Between two attempts to connect to a node that the driver believes up, in ms. The first follows at once upon the loss
 * of a connection that lived longer than the last.
 */
const RETRY_MS = { first: 250, last: 2_000 };

export interface LaneNodeOptions extends Omit<NodeOptions, 'address' | 'host' | 'port'> {
  /** Whether there is no other to ask in its place. */
  isNeeded?: (node: LaneNode) => boolean;
  /** A node is put aside, or taken back. */
  onStanding?: (address: string, isAside: boolean, why: string) => void;
}

/** A node of our datacenter and the connection to it, kept open for as long as the driver believes the node up. */
export class LaneNode implements Coordinator {
  readonly address: string;
  /** Why the last connection ended, or did not come about. */
  whyNot: Error | undefined;
  private connection: LaneConnection | undefined;
  private opening: Promise<void> | undefined;
  private retry: NodeJS.Timeout | undefined;
  private retryMs: number = RETRY_MS.first;
  private openedAt = 0;
  private readonly closing = new AbortController();
  private readonly standing = new Standing({
    probe: () => this.probe(),
    isNeeded: () => this.options.isNeeded?.(this) ?? false,
    changed: (isAside, why) => this.changeStanding(isAside, why),
  });

  constructor(
    private readonly host: Host,
    private readonly options: LaneNodeOptions,
  ) {
    this.address = host.address;
  }

  get isAside(): boolean {
    return this.standing.isAside;
  }

  get isOpen(): boolean {
    return this.connection !== undefined;
  }

  get inFlight(): number {
    return this.connection?.inFlight ?? 0;
  }

  execute(execution: Execution, deadline: number, attempt: Attempt): void {
    if (this.connection) this.connection.execute(execution, deadline, attempt);
    else attempt.failed(new ConnectionLost(`there is no connection to ${this.address}`));
  }

  didWell(): void {
    this.standing.didWell();
  }

  didWrong(why: string): void {
    this.standing.didWrong(why);
  }

  /** Resolves when one attempt has ended, however it did. */
  open(): Promise<void> {
    clearTimeout(this.retry);
    if (this.closing.signal.aborted || this.connection) return Promise.resolve();
    return (this.opening ??= this.attempt().finally(() => (this.opening = undefined)));
  }

  close(): void {
    this.closing.abort();
    clearTimeout(this.retry);
    this.standing.close();
    this.connection?.close();
  }

  private probe(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.execute(PROBE, performance.now() + PROBE_MS, { answered: resolve, failed: reject });
    });
  }

  private changeStanding(isAside: boolean, why: string): void {
    this.options.onStanding?.(this.address, isAside, why);
    if (isAside) this.connection?.suspect();
  }

  private async attempt(): Promise<void> {
    try {
      const options = { ...this.options, ...endpoint(this.address) };
      this.hold(await LaneConnection.open(options, this.closing.signal));
    } catch (error) {
      this.whyNot = error as Error;
      this.tryLater();
    }
  }

  private hold(connection: LaneConnection): void {
    if (this.closing.signal.aborted) return connection.close();
    this.connection = connection;
    this.retryMs = RETRY_MS.first;
    this.openedAt = performance.now();
    connection.onEnd = (error) => this.lose(error);
    if (!connection.isOpen) this.lose(this.whyNot); // it ended before anybody listened
  }

  private lose(error: Error | undefined): void {
    this.connection = undefined;
    this.whyNot = error;
    if (performance.now() - this.openedAt > RETRY_MS.last) this.retryMs = 0;
    this.tryLater();
  }

  /** When a node is down, the driver tells that it is up again. */
  private tryLater(): void {
    if (this.closing.signal.aborted || !this.host.isUp()) return;
    this.retry = setTimeout(() => void this.open(), this.retryMs).unref();
    this.retryMs = Math.min(Math.max(this.retryMs * 2, RETRY_MS.first), RETRY_MS.last);
  }
}

/** An IPv6 address is not in brackets here. */
function endpoint(address: string): Pick<NodeOptions, 'address' | 'host' | 'port'> {
  const colon = address.lastIndexOf(':');
  return { address, host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}
