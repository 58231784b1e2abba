import { type Client, errors } from 'cassandra-driver';
import type { CommandLine, Datacenters } from '../command-line.js';
import { longestTtl } from '../config/longest-ttl.js';
import type { Settings } from '../config/settings.js';
import type { SettingsSource } from '../config/settings-source.js';
import { EX_CONFIG, EX_NOPERM, EX_OK, EX_UNAVAILABLE, FAULTS } from '../exit-codes.js';
import { fail, type Finding, ok } from '../finding.js';
import { explain, isRefusal } from '../modules/storage/cassandra/cassandra-errors.js';
import { connectionFix } from '../modules/storage/cassandra/connection-fix.js';
import { withOperatorClient } from '../modules/storage/cassandra/operator-client.js';
import { nodesOf, oldestRelease, readLiveSchema } from '../modules/storage/cassandra/schema/live-schema.js';
import { schemaFindings } from '../modules/storage/cassandra/schema/schema-findings.js';
import {
  creationOf,
  describeSchema,
  type SessionSchema,
  sessionSchema,
} from '../modules/storage/cassandra/schema/session-schema.js';
import { replicasFor } from '../modules/storage/cassandra/session-table.js';
import { Terminal } from '../terminal.js';

/** Of Cassandra, where no cluster is asked for its own. */
const RELEASE = '5.0';

export async function run(source: SettingsSource, { word, datacenters = {} }: CommandLine): Promise<number> {
  const { settings } = source.load();
  const terminal = new Terminal();
  if (settings.storage !== 'cassandra') {
    terminal.tell(fail('storage', `${settings.storage}, which has no schema`, 'set storage: cassandra'));
    return EX_CONFIG;
  }
  if (word === 'print' && Object.keys(datacenters).length > 0)
    return print(sessionSchema(settings.cassandra, longestTtl(settings), datacenters, RELEASE));
  terminal.progress(`asking ${settings.cassandra.hosts.join(', ')} …`);
  try {
    return await withOperatorClient(settings.cassandra, (client) =>
      runOn(client, settings, word, datacenters, terminal),
    );
  } catch (error) {
    const said = explain(error);
    terminal.tell(fail('cassandra', said, connectionFix(said, settings.cassandra.tls !== undefined)));
    if (isRefusal(error)) return EX_NOPERM;
    return error instanceof errors.ResponseError ? FAULTS : EX_UNAVAILABLE;
  }
}

async function runOn(
  client: Client,
  settings: Settings,
  word: string | undefined,
  datacenters: Datacenters,
  terminal: Terminal,
): Promise<number> {
  const nodes = nodesOf(client);
  const replicas = Object.keys(datacenters).length > 0 ? datacenters : replicasFor(nodes);
  const unknown = Object.keys(replicas).filter(
    (name) => !nodes.some(({ datacenter }) => datacenter === name),
  );
  if (unknown.length > 0) return refuse(unknown, Object.keys(replicasFor(nodes)), terminal);
  const schema = sessionSchema(settings.cassandra, longestTtl(settings), replicas, oldestRelease(nodes));
  if (word === 'print') return print(schema);
  const created = word === 'apply' ? await apply(client, schema, terminal) : [];
  const findings = schemaFindings(await readLiveSchema(client, schema), {
    schema,
    localDatacenter: settings.cassandra.local_dc,
    ttlSeconds: longestTtl(settings),
  });
  const all = [...created, ...findings];
  for (const finding of all) terminal.tell(finding);
  return all.some(({ verdict }) => verdict === 'fail') ? FAULTS : EX_OK;
}

function refuse(unknown: string[], known: string[], terminal: Terminal): number {
  const fix = `name datacenters of the cluster: ${known.join(', ')}`;
  terminal.tell(fail('--datacenter', `no node is in ${unknown.join(', ')}`, fix));
  return FAULTS;
}

function print(schema: SessionSchema): number {
  process.stdout.write(describeSchema(schema));
  return EX_OK;
}

/** What is there is not asked for again: a role that may create nothing can apply what it has. */
async function apply(client: Client, schema: SessionSchema, terminal: Terminal): Promise<Finding[]> {
  const creation = creationOf(schema);
  const found: Finding[] = [];
  for (const what of ['keyspace', 'table'] as const) {
    const live = await readLiveSchema(client, schema);
    if (what === 'keyspace' ? live.keyspace : live.options) continue;
    terminal.progress(`creating the ${what} …`);
    // Never tried at a second node while the first may still be about it: each would make a table of its own.
    const { info } = await client.execute(creation[what], [], { isIdempotent: false });
    // The driver waits for it, and its types leave out what came of it.
    const { isSchemaInAgreement } = info as { isSchemaInAgreement?: boolean };
    found.push(
      isSchemaInAgreement
        ? ok(what, 'created')
        : fail(what, 'created, but not every node knows it yet', 'see nodetool describecluster'),
    );
  }
  return found;
}
