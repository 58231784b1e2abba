import { PinoLogger } from 'nestjs-pino';
import { Registry } from 'prom-client';
import { CassandraSettings, Settings } from '../../src/config/settings.js';
import { Metrics } from '../../src/modules/metrics/metrics.js';
import { CassandraService } from '../../src/modules/storage/cassandra/cassandra.service.js';
import { CassandraSessionStore } from '../../src/modules/storage/cassandra/cassandra-session-store.js';
import { ConditionalWrites } from '../../src/modules/storage/cassandra/conditional-writes.js';
import { PendingDeletes } from '../../src/modules/storage/cassandra/pending-deletes.js';
import { Timestamps } from '../../src/modules/storage/cassandra/timestamps.js';
import { sharedCassandra, uniqueKeyspace } from '../harness/cassandra/cluster-of-the-run.js';
import { DATA_PATHS } from '../harness/data-paths.js';
import { conditionalWritesContract } from './conditional-writes-contract.js';
import { sealing, settled } from './sealing.js';
import { hidingKeysContract, type OpenStore, sessionStoreContract } from './session-store-contract.js';
import { timedWritesContract } from './timed-writes-contract.js';

for (const dataPath of DATA_PATHS) {
  sessionStoreContract(`Cassandra by the ${dataPath}`, () => open(dataPath));
  timedWritesContract(`Cassandra by the ${dataPath}`, () => open(dataPath));
}

hidingKeysContract('Cassandra', () => open('lane'));
conditionalWritesContract('Cassandra', () => open('lane'));
sessionStoreContract('Cassandra, sealed', async () => sealing(await open('lane')));
timedWritesContract('Cassandra, sealed', async () => sealing(await open('lane')));
conditionalWritesContract('Cassandra, sealed', async () => settled(await open('lane')));

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
  const metrics = new Metrics(new Registry());
  const cassandra = new CassandraService(settings, metrics, logger);
  const pendingDeletes = new PendingDeletes(cassandra, settings, metrics, logger);
  const timestamps = new Timestamps();
  const conditionalWrites = new ConditionalWrites(cassandra, timestamps, metrics);
  await cassandra.onModuleInit();
  return {
    store: new CassandraSessionStore(cassandra, pendingDeletes, timestamps, conditionalWrites),
    // Cassandra keeps expiry in whole seconds.
    expiryToleranceMs: 1_000,
    close: async () => {
      await cassandra.onApplicationShutdown();
      await keyspace.drop();
    },
  };
}
