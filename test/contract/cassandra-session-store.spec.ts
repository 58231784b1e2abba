import { PinoLogger } from 'nestjs-pino';
import { Registry } from 'prom-client';
import { CassandraSettings, Settings } from '../../src/config/settings.js';
import { Metrics } from '../../src/modules/metrics/metrics.js';
import { CassandraService } from '../../src/modules/storage/cassandra/cassandra.service.js';
import { CassandraSessionStore } from '../../src/modules/storage/cassandra/cassandra-session-store.js';
import { sharedCassandra, uniqueKeyspace } from '../harness/cassandra/cluster-of-the-run.js';
import { type OpenStore, sessionStoreContract } from './session-store-contract.js';

for (const dataPath of ['lane', 'driver'] as const)
  sessionStoreContract(`Cassandra by the ${dataPath}`, () => open(dataPath));

async function open(dataPath: 'lane' | 'driver'): Promise<OpenStore> {
  const { hosts, port, datacenter } = sharedCassandra();
  const keyspace = await uniqueKeyspace();
  const settings = new Settings();
  settings.cassandra = Object.assign(new CassandraSettings(), {
    hosts,
    port,
    local_dc: datacenter,
    keyspace: keyspace.name,
    data_path: dataPath,
  });
  const logger = new PinoLogger({ pinoHttp: { level: 'silent' } });
  const cassandra = new CassandraService(settings, new Metrics(new Registry()), logger);
  await cassandra.onModuleInit();
  return {
    store: new CassandraSessionStore(cassandra),
    // Cassandra keeps expiry in whole seconds.
    expiryToleranceMs: 1_000,
    close: async () => {
      await cassandra.onApplicationShutdown();
      await keyspace.drop();
    },
  };
}
