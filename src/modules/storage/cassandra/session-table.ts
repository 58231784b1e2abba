import type { Client, Host } from 'cassandra-driver';
import type { CassandraSettings } from '../../../config/settings.js';
import { StorageError } from '../storage-error.js';
import { createKeyspace, createTable } from './statements.js';

/** Every replica more makes a quorum safer; where there are fewer nodes, as many as can be. */
const REPLICAS = 3;

// Not prepared: what a node keeps prepared are the statements of sessions. Any role may read the schema.
const COLUMNS =
  'SELECT column_name, type, kind FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?';
const KEYSPACE = 'SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?';

export type TableName = Pick<CassandraSettings, 'keyspace' | 'table'>;

/** Throws unless the table of sessions is there as it should be, and names the CQL that creates it. */
export async function requireSessionTable(client: Client, { keyspace, table }: TableName): Promise<void> {
  const found = await columnsOf(client, { keyspace, table });
  if (isSessionTable(found)) return;
  const creation = createTable(keyspace, table);
  if (found.length > 0) {
    throw unusable(
      `table "${keyspace}"."${table}" is not one of sessions (its columns: ${found.join(', ')}); such a table is created by: ${creation}`,
    );
  }
  const keyspaces = await client.execute(KEYSPACE, [keyspace], { prepare: false });
  if (keyspaces.rowLength > 0)
    throw unusable(`table "${keyspace}"."${table}" is missing; it is created by: ${creation}`);
  throw unusable(
    `keyspace "${keyspace}" is missing; it is created by: ${createKeyspace(keyspace, replicasFor(client.hosts.values()))} ${creation}`,
  );
}

/** As `name type kind`; none where there is no such table. */
export async function columnsOf(client: Client, { keyspace, table }: TableName): Promise<string[]> {
  const { rows } = await client.execute(COLUMNS, [keyspace, table], { prepare: false });
  return rows.map((row) => `${row.get('column_name')} ${row.get('type')} ${row.get('kind')}`);
}

/** Columns of others are left alone; a longer primary key makes a row something else than a session. */
export function isSessionTable(columns: readonly string[]): boolean {
  const primaryKey = columns.filter((column) => !column.endsWith(' regular'));
  return primaryKey.join() === 'key text partition_key' && columns.includes('value blob regular');
}

export function replicasFor(nodes: Iterable<Pick<Host, 'datacenter'>>): Record<string, number> {
  const replicas: Record<string, number> = {};
  for (const { datacenter } of nodes)
    replicas[datacenter] = Math.min((replicas[datacenter] ?? 0) + 1, REPLICAS);
  return replicas;
}

function unusable(what: string): StorageError {
  return new StorageError('unavailable', 'Cassandra lacks the table of sessions', { cause: new Error(what) });
}
