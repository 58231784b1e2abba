import type { Host } from 'cassandra-driver';
import { ConnectionLost } from './channel.js';
import type { Execution } from './execution.js';
import { type Attempt, LaneConnection, type NodeOptions } from './lane-connection.js';
import type { Coordinator } from './session-operation.js';

/** Between two attempts to connect to a node that the driver believes up, in ms. */
const RETRY_MS = { first: 250, last: 2_000 };

/** A node of our datacenter and the connection to it, kept open for as long as the driver believes the node up. */
export class LaneNode implements Coordinator {
  readonly address: string;
  /** Why the last connection ended, or did not come about. */
  whyNot: Error | undefined;
  private connection: LaneConnection | undefined;
  private opening: Promise<void> | undefined;
  private retry: NodeJS.Timeout | undefined;
  private retryMs = RETRY_MS.first;
  private readonly closing = new AbortController();

  constructor(
    private readonly host: Host,
    private readonly options: Omit<NodeOptions, 'address' | 'host' | 'port'>,
  ) {
    this.address = host.address;
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

  /** Resolves when one attempt has ended, however it did. */
  open(): Promise<void> {
    clearTimeout(this.retry);
    if (this.closing.signal.aborted || this.connection) return Promise.resolve();
    return (this.opening ??= this.attempt().finally(() => (this.opening = undefined)));
  }

  close(): void {
    this.closing.abort();
    clearTimeout(this.retry);
    this.connection?.close();
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
    connection.onEnd = (error) => this.lose(error);
    if (!connection.isOpen) this.lose(this.whyNot); // it ended before anybody listened
  }

  private lose(error: Error | undefined): void {
    this.connection = undefined;
    this.whyNot = error;
    this.tryLater();
  }

  /** When a node is down, the driver tells that it is up again. */
  private tryLater(): void {
    if (this.closing.signal.aborted || !this.host.isUp()) return;
    this.retry = setTimeout(() => void this.open(), this.retryMs).unref();
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MS.last);
  }
}

/** An IPv6 address is not in brackets here. */
function endpoint(address: string): Pick<NodeOptions, 'address' | 'host' | 'port'> {
  const colon = address.lastIndexOf(':');
  return { address, host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}
