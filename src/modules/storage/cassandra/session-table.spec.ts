import type { Client } from 'cassandra-driver';
import { requireSessionTable } from './session-table.js';

const NAMES = { keyspace: 'kask', table: 'values' };

/** Answers the two questions about the schema as a cluster with these columns would. */
function cluster(columns: string[], keyspaces = 1): Client {
  const rows = columns.map((column) => {
    const [column_name, type, kind] = column.split(' ');
    return { get: (name: string) => ({ column_name, type, kind })[name] };
  });
  const hosts = ['eqiad', 'eqiad', 'eqiad', 'eqiad', 'codfw'].map((datacenter) => ({ datacenter }));
  return {
    hosts: { values: () => hosts },
    execute: (cql: string) => Promise.resolve(cql.includes('.columns') ? { rows } : { rowLength: keyspaces }),
  } as unknown as Client;
}

async function fault(client: Client): Promise<string> {
  const error = await requireSessionTable(client, NAMES).then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  expect(error).toMatchObject({ kind: 'unavailable', reason: 'Cassandra lacks the table of sessions' });
  return (error?.cause as Error).message;
}

describe('the table of sessions', () => {
  it.each([
    [['key text partition_key', 'value blob regular']],
    [['owner text regular', 'value blob regular', 'key text partition_key']],
  ])('is one with %j', async (columns) => {
    await expect(requireSessionTable(cluster(columns), NAMES)).resolves.toBeUndefined();
  });

  it.each([
    [['key blob partition_key', 'value blob regular']],
    [['key text partition_key', 'value text regular']],
    [['key text partition_key', 'other blob regular']],
    [['key text partition_key', 'version int clustering', 'value blob regular']],
    [['key text partition_key', 'wiki text partition_key', 'value blob regular']],
    [['key text partition_key', 'version int clustering', 'value blob static']],
  ])('is not one with %j', async (columns) => {
    expect(await fault(cluster(columns))).toBe(
      `table "kask"."values" is not one of sessions (its columns: ${columns.join(', ')}); ` +
        'such a table is created by: CREATE TABLE "kask"."values" (key text PRIMARY KEY, value blob);',
    );
  });

  it('is missing', async () => {
    expect(await fault(cluster([]))).toBe(
      'table "kask"."values" is missing; it is created by: ' +
        'CREATE TABLE "kask"."values" (key text PRIMARY KEY, value blob);',
    );
  });

  it('is missing with its keyspace, which gets three replicas in each datacenter that has them', async () => {
    expect(await fault(cluster([], 0))).toBe(
      'keyspace "kask" is missing; it is created by: CREATE KEYSPACE "kask" WITH replication = ' +
        `{'class': 'NetworkTopologyStrategy', 'eqiad': 3, 'codfw': 1}; ` +
        'CREATE TABLE "kask"."values" (key text PRIMARY KEY, value blob);',
    );
  });
});
