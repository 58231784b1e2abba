import type { Client, Host } from 'cassandra-driver';
import { longestTtl } from '../config/longest-ttl.js';
import type { Settings } from '../config/settings.js';
import { type Finding, fail, ok, warn } from '../finding.js';
import { aheadOrBehind, medianOf, offsetFrom, verdictOn } from '../modules/storage/cassandra/clock-offset.js';
import { withOperatorClient } from '../modules/storage/cassandra/operator-client.js';
import {
  type LiveSchema,
  oldestRelease,
  readLiveSchema,
} from '../modules/storage/cassandra/schema/live-schema.js';
import { schemaFindings } from '../modules/storage/cassandra/schema/schema-findings.js';
import { sessionSchema } from '../modules/storage/cassandra/schema/session-schema.js';
import { isSessionTable, replicasFor } from '../modules/storage/cassandra/session-table.js';

const ANSWER_MS = 2_000;
/** Of each node: the first goes by way of code that is not compiled yet. */
const READINGS = 3;

/** What a cluster says of itself. */
export interface ClusterView {
  live: LiveSchema;
  /** How far our clock is ahead of those of the nodes of our datacenter, in ms; nothing if none answered soon. */
  offsetMs: number | undefined;
}

export async function viewCluster(settings: Settings): Promise<ClusterView> {
  const { local_dc } = settings.cassandra;
  return withOperatorClient(settings.cassandra, async (client) => {
    const near = client.hosts.values().filter((host) => !local_dc || host.datacenter === local_dc);
    const readings = near.filter((host) => host.isUp()).map((host) => quickestOffset(client, host));
    return {
      live: await readLiveSchema(client, settings.cassandra),
      offsetMs: medianOf(await Promise.all(readings)),
    };
  });
}

async function quickestOffset(client: Client, host: Host): Promise<number | undefined> {
  let offset: number | undefined;
  for (let i = 0; i < READINGS; i++)
    offset =
      (await offsetFrom(
        async (cql) => (await client.execute(cql, [], { host, readTimeout: ANSWER_MS })).first(),
        () => Date.now() * 1000,
      )) ?? offset;
  return offset;
}

export function clockFindings({ offsetMs }: ClusterView, { cassandra }: Settings): Finding[] {
  const fix = 'synchronise the clock of this machine (chronyc tracking), or those of the nodes';
  if (offsetMs === undefined)
    return [warn('clock', 'no node answered quickly enough to compare', 'try again')];
  const found = `${aheadOrBehind(offsetMs)}, beside the nodes of our datacenter`;
  const verdict = verdictOn(offsetMs, cassandra.clock_limit_ms);
  if (verdict === 'right') return [ok('clock', found)];
  const limit = `; cassandra.clock_limit_ms is ${cassandra.clock_limit_ms}`;
  return [verdict === 'off' ? warn('clock', found + limit, fix) : fail('clock', found + limit, fix)];
}

/** As `kask schema check` has them, but all options that could be better in one. */
export function schemaSummary({ live }: ClusterView, settings: Settings): Finding[] {
  const { cassandra } = settings;
  const ttlSeconds = longestTtl(settings);
  const schema = sessionSchema(cassandra, ttlSeconds, replicasFor(live.nodes), oldestRelease(live.nodes));
  const findings = schemaFindings(live, {
    schema,
    localDatacenter: cassandra.local_dc,
    ttlSeconds,
  });
  const options = findings.filter(({ fix }) => fix?.startsWith('ALTER TABLE'));
  const rest = findings.filter((finding) => !options.includes(finding));
  if (options.length === 0) return rest;
  const names = options.map(({ what }) => what).join(', ');
  return [
    ...rest,
    warn('table options', `could be better: ${names}`, 'kask schema check has the statements'),
  ];
}

/** Whether a session can be tried at all. */
export function hasSessions({ live }: ClusterView, { cassandra }: Settings): boolean {
  const { local_dc } = cassandra;
  const isNear = !local_dc || live.nodes.some(({ datacenter }) => datacenter === local_dc);
  return isNear && isSessionTable(live.columns);
}
