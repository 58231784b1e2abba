import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseRedisAddress, type RedisAddress } from '../src/import/redis-address.js';
import { RedisConnection } from '../src/import/redis-connection.js';
import { CassandraCluster } from '../test/harness/cassandra/cluster.js';
import { CQL_PORT } from '../test/harness/cassandra/loopback.js';
import { withClient } from '../test/harness/cassandra/node-client.js';
import { createSessionTable } from '../test/harness/cassandra/session-table.js';
import { KaskProcess } from '../test/harness/kask.js';
import { RedisServer } from '../test/harness/redis-server.js';

// How long `kask import` takes for so many sessions of PHP, and what is there when it was killed half-way and begun
// again: the figures of docs/manual/import.md. It takes a few minutes and Debian's redis-server.

const SESSIONS = 100_000;
const KEYSPACE = 'imported';
const FILL_AT_ONCE = 1_000;
const LOOK_EVERY_MS = 50;

const directory = mkdtempSync(path.join(tmpdir(), 'kask-bench-import-'));
const redis = await RedisServer.start();
const cluster = await CassandraCluster.start({ datacenters: { eqiad: 1 } });
try {
  await fill();
  const hosts = cluster.contactPoints;
  await withClient(hosts[0] as string, { authentication: false }, (client) =>
    createSessionTable(client, KEYSPACE),
  );
  const embedded = { storage: 'embedded', embedded: { path: path.join(directory, 'data') } };
  const cassandra = {
    storage: 'cassandra',
    cassandra: { hosts, port: CQL_PORT, keyspace: KEYSPACE, local_dc: 'eqiad' },
  };
  await measure('dry run', embedded, ['--dry-run']);
  for (const [name, settings] of Object.entries({ embedded, cassandra })) {
    await killHalfWay(name, settings);
    await measure(`${name}, again from the beginning`, settings, []);
  }
} finally {
  await cluster.stop();
  await redis.stop();
  rmSync(directory, { recursive: true, force: true });
}

/** Sessions of 0.3 to 1 kB, with an hour or two left. */
async function fill(): Promise<void> {
  const connection = await RedisConnection.open(parseRedisAddress(redis.url) as RedisAddress, {});
  for (let from = 0; from < SESSIONS; from += FILL_AT_ONCE)
    await Promise.all(
      Array.from({ length: FILL_AT_ONCE }, (_, i) => {
        const id = from + i;
        const value = `user|s:6:"${id}";`.padEnd(300 + (id % 700), 'x');
        const ttl = String(3_600 + (id % 3_600));
        return connection.ask('SET', `PHPREDIS_SESSION:${id}`, value, 'EX', ttl);
      }),
    );
  connection.close();
}

async function killHalfWay(name: string, settings: Record<string, unknown>): Promise<void> {
  const state = path.join(directory, `${name}.state`);
  const began = performance.now();
  const first = begin(settings, ['--state', state]);
  while (importedOf(state) < SESSIONS / 2) await sleep(LOOK_EVERY_MS);
  await first.kill();
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  console.log(`\n${name}: killed after ${seconds} s, with ${importedOf(state)} sessions in its state`);
  await measure(`${name}, begun again`, settings, ['--state', state]);
}

function importedOf(state: string): number {
  try {
    return (JSON.parse(readFileSync(state, 'utf8')) as { counts: { imported: number } }).counts.imported;
  } catch {
    return 0;
  }
}

async function measure(name: string, settings: Record<string, unknown>, args: string[]): Promise<void> {
  const began = performance.now();
  const kask = begin(settings, args);
  const status = await kask.exited;
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  console.log(`\n${name}: exit ${status} after ${seconds} s\n${kask.stdout}${kask.stderr}`);
}

function begin(settings: Record<string, unknown>, args: string[]): KaskProcess {
  return KaskProcess.spawn(settings, { args: ['import', '--from', redis.url, ...args] });
}
