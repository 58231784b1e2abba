import type { Client } from 'cassandra-driver';
import { type Access, withClient } from './node-client.js';
import { eventually } from './poll.js';

/**
 * Waits until each node knows the tokens of all others and they agree on one schema. That another node "is UP", as
 * logs say, comes earlier, and a statement sent then may find no replicas.
 */
export async function waitForRing(addresses: string[], access: Access): Promise<void> {
  await Promise.all(
    addresses.map((address) =>
      eventually(() => withClient(address, access, (client) => checkRing(client, addresses.length))),
    ),
  );
}

async function checkRing(client: Client, size: number): Promise<void> {
  const peers = (await client.execute('SELECT peer, tokens, schema_version FROM system.peers')).rows;
  const local = (await client.execute('SELECT schema_version FROM system.local')).rows;
  const placed = peers.filter((row) => (row.tokens as string[] | null)?.length).length + 1;
  const schemas = new Set([...peers, ...local].map((row) => String(row.schema_version))).size;
  if (placed !== size || schemas !== 1)
    throw new Error(`a node knows ${placed} of ${size} nodes and ${schemas} versions of the schema`);
}
