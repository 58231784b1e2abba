import type { Client } from 'cassandra-driver';
import { inTime } from '../storage-timeout.js';
import { fromDriverError } from './cassandra-errors.js';
import { DataPath } from './data-path.js';
import type { Execution } from './lane/execution.js';
import type { SessionStatements } from './statements.js';

/** The plain driver for every request: what the lane is a lean replacement of, and falls back to by a setting. */
export class DriverPath extends DataPath {
  readonly connections = 0;
  readonly requestsInFlight = 0;
  readonly nodesPutAside = 0;

  constructor(
    private readonly client: Client,
    private readonly statements: SessionStatements,
  ) {
    super();
  }

  /** The driver's own time limit is for each node that it asks and each statement that it prepares first. */
  async run(
    { statement, key, value, ttlSeconds, timestamp, trace }: Execution,
    timeoutMs: number,
  ): Promise<Buffer | undefined> {
    const { cql, consistency } = this.statements[statement];
    const parameters = value ? [key.toString(), value, ttlSeconds] : [key.toString()];
    const options = { consistency, timestamp, readTimeout: timeoutMs };
    try {
      const result = await inTime(
        this.client.execute(cql, parameters, options),
        timeoutMs,
        'Cassandra did not answer in time',
      );
      trace?.answered(result.info.queriedHost, Object.keys(result.info.triedHosts).length);
      return (result.first()?.get('value') as Buffer | null | undefined) ?? undefined;
    } catch (error) {
      throw fromDriverError(error);
    }
  }

  /** The client is closed by whoever opened it. */
  close(): void {
    return;
  }
}
