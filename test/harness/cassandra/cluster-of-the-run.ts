import { randomBytes } from 'node:crypto';
import { withClient } from './node-client.js';
import { createSessionTable } from './session-table.js';

/** The cluster that all suites of a run use; global-setup.ts starts or finds it. */
export interface SharedCassandra {
  hosts: string[];
  port: number;
  datacenter: string;
}

/** A keyspace that one suite has to itself, with the table of sessions in it. */
export interface TestKeyspace {
  name: string;
  drop(): Promise<void>;
}

const NO_LOGIN = { authentication: false };

export function sharedCassandra(): SharedCassandra {
  const { KASK_TEST_CASSANDRA, KASK_TEST_CASSANDRA_PORT, KASK_TEST_CASSANDRA_DATACENTER } = process.env;
  if (!KASK_TEST_CASSANDRA || !KASK_TEST_CASSANDRA_DATACENTER)
    throw new Error('no Cassandra: this suite has to run in a jest project with global-setup.ts');
  return {
    hosts: KASK_TEST_CASSANDRA.split(','),
    port: Number(KASK_TEST_CASSANDRA_PORT),
    datacenter: KASK_TEST_CASSANDRA_DATACENTER,
  };
}

export async function uniqueKeyspace(): Promise<TestKeyspace> {
  const { hosts, port } = sharedCassandra();
  const host = hosts[0] as string;
  const name = `kask_${randomBytes(6).toString('hex')}`;
  await withClient(host, NO_LOGIN, (client) => createSessionTable(client, name), port);
  return {
    name,
    drop: () =>
      withClient(
        host,
        NO_LOGIN,
        async (client) => void (await client.execute(`DROP KEYSPACE ${name}`)),
        port,
      ),
  };
}
