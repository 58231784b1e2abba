import { CassandraCluster } from '../test/harness/cassandra/cluster.js';

/** Where the peers find the table that they share. */
export interface BenchTable {
  hosts: string[];
  datacenter: string;
  keyspace: string;
}

const DATACENTER = 'eqiad';
const KEYSPACE = 'kask_bench';

/**
 * Unlike the small node of the tests it compiles well, has room for what is written in a run, and answers a write
 * before it is on disk, as production does: what is measured is the service, and the node should not be in its way.
 */
const AS_IN_PRODUCTION = {
  jvm: ['-Xms1g', '-Xmx1g', '-XX:TieredStopAtLevel=4'],
  yaml: { commitlog_sync: 'periodic', commitlog_sync_period: '10s' },
};

export async function startCassandra(): Promise<{ cluster: CassandraCluster; table: BenchTable }> {
  const cluster = await CassandraCluster.start({ datacenters: { [DATACENTER]: 1 }, ...AS_IN_PRODUCTION });
  try {
    await cluster.createSessionTable(KEYSPACE);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  const table = { hosts: cluster.contactPoints, datacenter: DATACENTER, keyspace: KEYSPACE };
  return { cluster, table };
}
