import type { Client } from 'cassandra-driver';
import { columnsOf, type TableName } from '../session-table.js';

const KEYSPACE = 'SELECT replication, durable_writes FROM system_schema.keyspaces WHERE keyspace_name = ?';
const TABLE = 'SELECT * FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?';
const HINT_WINDOW = "SELECT value FROM system_views.settings WHERE name = 'max_hint_window_in_ms'";
/** Cassandra's default, in s. */
const HINT_WINDOW_SECONDS = 3 * 3600;

export interface LiveNode {
  /** `address:port`, as the driver names it. */
  address: string;
  datacenter: string;
  /** Of Cassandra. */
  release: string;
  isUp: boolean;
}

/** What a cluster has. */
export interface LiveSchema {
  nodes: readonly LiveNode[];
  keyspace?: { replication: Readonly<Record<string, string>>; durableWrites: boolean };
  /** As `name type kind`; none where the table is missing. */
  columns: readonly string[];
  options?: Readonly<Record<string, unknown>>;
  /** For so long nodes keep what another one that is away has missed. */
  hintWindowSeconds: number;
}

export async function readLiveSchema(client: Client, name: TableName): Promise<LiveSchema> {
  const keyspace = await rowOf(client, KEYSPACE, [name.keyspace]);
  const table = await rowOf(client, TABLE, [name.keyspace, name.table]);
  return {
    nodes: nodesOf(client),
    keyspace: keyspace && {
      replication: keyspace.replication as Record<string, string>,
      durableWrites: keyspace.durable_writes as boolean,
    },
    options: table,
    columns: await columnsOf(client, name),
    hintWindowSeconds: await hintWindowSeconds(client),
  };
}

async function rowOf(
  client: Client,
  cql: string,
  names: string[],
): Promise<Record<string, unknown> | undefined> {
  return (await client.execute(cql, names)).rows[0];
}

export function nodesOf(client: Client): LiveNode[] {
  return client.hosts.values().map((host) => ({
    address: host.address,
    datacenter: host.datacenter,
    release: host.cassandraVersion,
    isUp: host.isUp(),
  }));
}

export function oldestRelease(nodes: readonly LiveNode[]): string {
  const releases = nodes.map(({ release }) => release);
  return releases.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))[0] ?? '';
}

/** What the role must not see has its default. */
async function hintWindowSeconds(client: Client): Promise<number> {
  const found = await client.execute(HINT_WINDOW).catch(() => undefined);
  const value = Number.parseInt(found?.first()?.get('value') as string);
  return value > 0 ? value / 1000 : HINT_WINDOW_SECONDS;
}
