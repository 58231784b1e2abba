import { Client, types } from 'cassandra-driver';
import { sessionStatements } from '../../src/modules/storage/cassandra/statements.js';
import { serveFloor } from './floor.js';

// HTTP and the Cassandra driver, with its defaults: no framework, no metrics, no care for what goes wrong.
const [host = '', localDataCenter, keyspace = ''] = process.argv.slice(2);
const TTL_SECONDS = 86_400;

const client = new Client({ contactPoints: [host], localDataCenter });
await client.connect();
const { get, set } = sessionStatements(keyspace, 'values');
const options = { prepare: true, consistency: types.consistencies.localQuorum };

serveFloor({
  get: async (key) => (await client.execute(get.cql, [key], options)).first()?.value as Buffer | undefined,
  set: async (key, value) => void (await client.execute(set.cql, [key, value, TTL_SECONDS], options)),
});
