import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, types } from 'cassandra-driver';
import { sharedCassandra, uniqueKeyspace } from './cassandra/cluster-of-the-run.js';

/** Where a service under test keeps its values. */
export interface SessionBackend {
  /** Configuration of a service on it. */
  settings: Record<string, unknown>;
  /** What the database itself holds under a key, seen past the service, where it can be asked. */
  select?: (key: string) => Promise<Buffer | undefined>;
  close(): Promise<void>;
}

export function openBackend(store: 'embedded' | 'cassandra'): Promise<SessionBackend> {
  return store === 'embedded' ? openEmbedded() : openCassandra();
}

function openEmbedded(): Promise<SessionBackend> {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-embedded-'));
  return Promise.resolve({
    settings: { storage: 'embedded', embedded: { path: directory } },
    close: () => Promise.resolve(rmSync(directory, { recursive: true, force: true })),
  });
}

async function openCassandra(): Promise<SessionBackend> {
  const { hosts, port, datacenter } = sharedCassandra();
  const keyspace = await uniqueKeyspace();
  const client = new Client({
    contactPoints: hosts.map((host) => `${host}:${port}`),
    localDataCenter: datacenter,
    keyspace: keyspace.name,
    queryOptions: { consistency: types.consistencies.quorum },
  });
  return {
    settings: {
      storage: 'cassandra',
      cassandra: { hosts, port, keyspace: keyspace.name, table: 'values', local_dc: datacenter },
    },
    select: async (key) => {
      const rows = await client.execute('SELECT value FROM "values" WHERE key = ?', [key], { prepare: true });
      return (rows.first()?.get('value') as Buffer | undefined) ?? undefined;
    },
    close: async () => {
      await client.shutdown();
      await keyspace.drop();
    },
  };
}
