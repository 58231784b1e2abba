import type { Client, types } from 'cassandra-driver';
import { inTime } from '../storage-timeout.js';
import { fromDriverError } from './cassandra-errors.js';
import { DataPath } from './data-path.js';
import type { Execution, Row } from './lane/execution.js';
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
  ): Promise<Row | undefined> {
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
      return rowOf(result.first());
    } catch (error) {
      throw fromDriverError(error);
    }
  }

  /** The client is closed by whoever opened it. */
  close(): void {
    return;
  }
}

/** Of a read; writes have no row. */
function rowOf(row: types.Row | undefined): Row | undefined {
  const value = row?.get('value') as Buffer | null | undefined;
  if (!row || !value) return undefined;
  const writtenAt = (row.get('writetime(value)') as types.Long | undefined)?.toNumber();
  return { value, ttlSeconds: (row.get('ttl(value)') as number | null) ?? 0, writtenAt };
}
