import { Client } from 'cassandra-driver';
import { CassandraSettings } from '../../src/config/settings.js';
import { clientOptions, laneOptions } from '../../src/modules/storage/cassandra/cassandra-client-options.js';
import type { Execution } from '../../src/modules/storage/cassandra/lane/execution.js';
import { Lane } from '../../src/modules/storage/cassandra/lane/lane.js';
import { LocalDatacenterPolicy } from '../../src/modules/storage/cassandra/local-datacenter.js';
import { sessionStatements } from '../../src/modules/storage/cassandra/statements.js';
import { Timestamps } from '../../src/modules/storage/cassandra/timestamps.js';
import { serveFloor } from './floor.js';

// HTTP and our lane to Cassandra: no framework, no metrics.
const [host = '', local_dc, keyspace = ''] = process.argv.slice(2);
const TTL_SECONDS = 86_400;

const settings = Object.assign(new CassandraSettings(), { hosts: [host], local_dc, keyspace });
const coordinators = new LocalDatacenterPolicy(settings);
const client = new Client(clientOptions(settings, coordinators));
await client.connect();
const lane = new Lane(client, coordinators, {
  ...laneOptions(settings),
  statements: sessionStatements(keyspace, settings.table),
  keyspace,
});
await lane.open();
const timestamps = new Timestamps();
const run = (execution: Execution) => lane.run(execution, settings.query_timeout_ms);

serveFloor({
  get: async (key) =>
    (await run({ statement: 'get', key: Buffer.from(key), timestamp: timestamps.next() }))?.value,
  set: async (key, value) => {
    const written = { key: Buffer.from(key), value, ttlSeconds: TTL_SECONDS, timestamp: timestamps.next() };
    await run({ statement: 'set', ...written });
  },
});
