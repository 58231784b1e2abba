import { MissingPrerequisite } from '../prerequisites.js';
import { CassandraCluster } from './cluster.js';
import { CQL_PORT } from './loopback.js';
import { withClient } from './node-client.js';

const DATACENTER = 'eqiad';

let started: CassandraCluster | undefined;

/**
 * Provides the cluster that suites find by sharedCassandra(): one node, or the one that KASK_TEST_CASSANDRA names
 * (`host[,host]`, with KASK_TEST_CASSANDRA_PORT where it is not 9042), which must let us in without a password.
 */
export async function provideCassandra(environment: NodeJS.ProcessEnv): Promise<void> {
  environment.KASK_TEST_CASSANDRA_PORT ??= String(CQL_PORT);
  if (environment.KASK_TEST_CASSANDRA) {
    environment.KASK_TEST_CASSANDRA_DATACENTER = await datacenterOfRunning(environment);
    return;
  }
  started = await CassandraCluster.start({ datacenters: { [DATACENTER]: 1 } });
  environment.KASK_TEST_CASSANDRA = started.contactPoints.join(',');
  environment.KASK_TEST_CASSANDRA_PORT = String(CQL_PORT);
  environment.KASK_TEST_CASSANDRA_DATACENTER = DATACENTER;
}

/** A cluster that was running before goes on running. */
export async function releaseCassandra(environment: NodeJS.ProcessEnv): Promise<void> {
  if (!started) return;
  await started.stop();
  started = undefined;
  // In watch mode the next run would otherwise look for it.
  delete environment.KASK_TEST_CASSANDRA;
}

async function datacenterOfRunning(environment: NodeJS.ProcessEnv): Promise<string> {
  const host = environment.KASK_TEST_CASSANDRA?.split(',')[0] ?? '';
  const port = Number(environment.KASK_TEST_CASSANDRA_PORT);
  try {
    const found = await withClient(
      host,
      { authentication: false },
      (client) => client.execute('SELECT data_center FROM system.local'),
      port,
    );
    return found.first().data_center as string;
  } catch (error) {
    const [reason] = String(error).split('\n');
    throw new MissingPrerequisite(
      `KASK_TEST_CASSANDRA names ${host}:${port}, which does not serve: ${reason}`,
    );
  }
}
