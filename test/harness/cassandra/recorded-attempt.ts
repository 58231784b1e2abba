import type { Row } from '../../../src/modules/storage/cassandra/lane/execution.js';
import type { Attempt } from '../../../src/modules/storage/cassandra/lane/lane-connection.js';

/** An attempt that remembers how it ended, and how often: once is right. */
export class RecordedAttempt implements Attempt {
  readonly ends: (Row | undefined | Error)[] = [];
  /** Resolves at the first end. */
  readonly ended: Promise<void>;
  private settle!: () => void;

  constructor() {
    this.ended = new Promise((resolve) => (this.settle = resolve));
  }

  get error(): Error | undefined {
    const [end] = this.ends;
    return end instanceof Error ? end : undefined;
  }

  /** What it was answered; throws what it failed with. */
  async row(): Promise<Row | undefined> {
    await this.ended;
    if (this.error) throw this.error;
    return this.ends[0] as Row | undefined;
  }

  async value(): Promise<Buffer | undefined> {
    return (await this.row())?.value;
  }

  async failure(): Promise<Error> {
    await this.ended;
    if (!this.error) throw new Error('it was answered');
    return this.error;
  }

  answered(row: Row | undefined): void {
    this.end(row);
  }

  failed(error: Error): void {
    this.end(error);
  }

  private end(how: Row | undefined | Error): void {
    this.ends.push(how);
    this.settle();
  }
}
