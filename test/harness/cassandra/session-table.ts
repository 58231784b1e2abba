import type { Client } from 'cassandra-driver';

/** What production has; more replicas than nodes would make every request unavailable. */
const REPLICAS = 3;

/** A keyspace over all datacenters of the cluster with the table that production has, defaults and all. */
export async function createSessionTable(client: Client, keyspace: string): Promise<void> {
  await client.execute(`CREATE KEYSPACE "${keyspace}" WITH replication = ${replication(client)}`);
  // The name is quoted as VALUES is a word of CQL.
  await client.execute(`CREATE TABLE "${keyspace}"."values" (key text PRIMARY KEY, value blob)`);
}

/** A map for CQL: `{'class': 'NetworkTopologyStrategy', 'eqiad': 3, 'codfw': 3}`. */
export function replication(client: Client): string {
  const sizes = new Map<string, number>();
  for (const { datacenter } of client.hosts.values()) sizes.set(datacenter, (sizes.get(datacenter) ?? 0) + 1);
  const replicas = [...sizes].map(([name, size]) => `'${name}': ${Math.min(REPLICAS, size)}`);
  return `{${["'class': 'NetworkTopologyStrategy'", ...replicas].join(', ')}}`;
}
