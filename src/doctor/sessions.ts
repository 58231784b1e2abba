import { randomUUID } from 'node:crypto';
import { Client } from 'cassandra-driver';
import type { Settings } from '../config/settings.js';
import { fail, type Finding, ok, warn } from '../finding.js';
import { clientOptions } from '../modules/storage/cassandra/cassandra-client-options.js';
import { explain } from '../modules/storage/cassandra/cassandra-errors.js';
import { connectionFix } from '../modules/storage/cassandra/connection-fix.js';
import { DriverPath } from '../modules/storage/cassandra/driver-path.js';
import type { Execution } from '../modules/storage/cassandra/lane/execution.js';
import { LocalDatacenterPolicy } from '../modules/storage/cassandra/local-datacenter.js';
import { qualified, sessionStatements } from '../modules/storage/cassandra/statements.js';
import { StorageError } from '../modules/storage/storage-error.js';
import { storageTimeoutMs } from '../modules/storage/storage-timeout.js';

/** No client can name it: a session key has 1,024 bytes at most. */
const KEY_BYTES = 1_025;
/** If the delete does not come to pass. */
const TTL_SECONDS = 60;
/** The median counts: the first prepares the statement. */
const TRIES = 5;

/** A slower one, in ms, is felt by users. */
const SLOW_MS = { write: 100, read: 20, delete: 500 };

const OPERATIONS = [
  { name: 'write', level: 'LOCAL_QUORUM', statement: 'set', permission: 'MODIFY' },
  { name: 'read', level: 'LOCAL_QUORUM', statement: 'get', permission: 'SELECT' },
  { name: 'delete', level: 'EACH_QUORUM', statement: 'delete', permission: 'MODIFY' },
] as const;

type Operation = (typeof OPERATIONS)[number];

/** Writes, reads and deletes a row of its own in the table of sessions, at the levels of sessions. */
export async function sessionFindings(settings: Settings): Promise<Finding[]> {
  const { keyspace, table } = settings.cassandra;
  const client = new Client(clientOptions(settings.cassandra, new LocalDatacenterPolicy(settings.cassandra)));
  try {
    await client.connect();
    const path = new DriverPath(client, sessionStatements(keyspace, table));
    const key = Buffer.from(`kask:doctor:${randomUUID()}`.padEnd(KEY_BYTES, '.'));
    const findings: Finding[] = [];
    for (const operation of OPERATIONS) findings.push(await tried(operation, path, key, settings));
    return findings;
  } catch (error) {
    const said = explain(error);
    return [fail('sessions', said, connectionFix(said, settings.cassandra.tls !== undefined))];
  } finally {
    await client.shutdown().catch(() => undefined);
  }
}

async function tried(
  operation: Operation,
  path: DriverPath,
  key: Buffer,
  settings: Settings,
): Promise<Finding> {
  const { name, level, statement } = operation;
  const what = `${name} at ${level}`;
  const value = statement === 'set' ? { value: Buffer.from('kask doctor'), ttlSeconds: TTL_SECONDS } : {};
  const times: number[] = [];
  try {
    for (let i = 0; i < TRIES; i++) {
      const began = performance.now();
      const execution: Execution = { statement, key, timestamp: Date.now() * 1000, ...value };
      await path.run(execution, storageTimeoutMs(settings));
      times.push(performance.now() - began);
    }
  } catch (error) {
    return failure(what, operation, error, settings);
  }
  const ms = times.sort((a, b) => a - b)[Math.floor(TRIES / 2)] as number;
  const found = `${ms.toFixed(1)} ms`;
  if (ms <= SLOW_MS[name]) return ok(what, found);
  return warn(what, found, 'look at the load of the nodes, their disks, and the way to them');
}

function failure(what: string, { permission }: Operation, error: unknown, settings: Settings): Finding {
  const { keyspace, table, authentication } = settings.cassandra;
  const said = error instanceof StorageError ? error.reason : explain(error);
  if (said.includes('does not permit')) {
    const role = authentication?.username ?? '…';
    return fail(what, said, `GRANT ${permission} ON TABLE ${qualified(keyspace, table)} TO ${role};`);
  }
  return fail(what, said, 'look at the nodes above, and at nodetool status in each datacenter');
}
