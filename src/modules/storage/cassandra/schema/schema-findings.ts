import { fail, type Finding, ok, warn } from '../../../../finding.js';
import { isSessionTable } from '../session-table.js';
import { literal, qualified, quoted } from '../statements.js';
import type { LiveNode, LiveSchema } from './live-schema.js';
import { alterKeyspace, alterTable, type SessionSchema } from './session-schema.js';
import type { OptionValue, TableOption } from './table-options.js';

const APPLY = 'run kask schema apply';
const FULL_QUORUM = 3;
/** Cassandra keeps when a value expires in 31 bits of seconds, unless told otherwise; in ms. */
const LAST_EXPIRY = 2 ** 31 * 1000;

export interface Expected {
  schema: SessionSchema;
  localDatacenter: string | undefined;
  ttlSeconds: number;
}

/**
 * What is wrong with a live schema: a fault where sessions fail or a logout does not hold, a warning where it can be
 * better. The table that production has, `key text PRIMARY KEY, value blob` with any options, is no fault.
 */
export function schemaFindings(live: LiveSchema, expected: Expected): Finding[] {
  return [
    localDatacenter(live, expected.localDatacenter),
    ...keyspaceFindings(live, expected),
    ...tableFindings(live, expected),
    ...ttlFindings(expected.ttlSeconds),
  ];
}

function localDatacenter({ nodes }: LiveSchema, name: string | undefined): Finding {
  const what = 'cassandra.local_dc';
  const datacenters = datacentersOf(nodes).join(', ');
  if (name === undefined)
    return warn(what, `not set; the cluster has ${datacenters}`, 'set it to the datacenter of this service');
  if (datacentersOf(nodes).includes(name)) return ok(what, name);
  return fail(what, `${name}; the cluster has ${datacenters}`, 'set it to the datacenter of this service');
}

function keyspaceFindings({ nodes, keyspace }: LiveSchema, { schema, localDatacenter }: Expected): Finding[] {
  const what = `keyspace ${quoted(schema.keyspace)}`;
  if (!keyspace) return [fail(what, 'missing', APPLY)];
  const findings = replicationFindings(keyspace.replication, nodes, schema, localDatacenter);
  if (keyspace.durableWrites) return findings;
  const fix = `ALTER KEYSPACE ${quoted(schema.keyspace)} WITH durable_writes = true;`;
  return [...findings, warn(what, 'durable_writes is false: nodes that lose power lose sessions', fix)];
}

function replicationFindings(
  { class: strategy = '', ...replicas }: Readonly<Record<string, string>>,
  nodes: readonly LiveNode[],
  schema: SessionSchema,
  local: string | undefined,
): Finding[] {
  const datacenters = datacentersOf(nodes);
  const fix = `${alterKeyspace(schema)} then on each node: nodetool repair -full ${schema.keyspace}`;
  if (lastPart(strategy) !== 'NetworkTopologyStrategy') {
    const found = `${lastPart(strategy)}: a logout waits for a quorum of all nodes, not of each datacenter`;
    return [datacenters.length === 1 ? warn('replication', found, fix) : fail('replication', found, fix)];
  }
  return [...new Set([...datacenters, ...Object.keys(replicas)])].map((datacenter) => {
    const size = nodes.filter((node) => node.datacenter === datacenter).length;
    const count = Number.parseInt(replicas[datacenter] ?? '0');
    const what = `replication in ${datacenter}`;
    const fault = faultOf(count, size, datacenter === local);
    if (fault) return fail(what, fault, fix);
    const weakness = weaknessOf(count, size, schema.replicas[datacenter] ?? 0);
    if (weakness) return warn(what, weakness, size < FULL_QUORUM ? 'add nodes, three at least' : fix);
    return ok(what, `${count} of ${size} nodes`);
  });
}

function faultOf(count: number, nodes: number, isLocal: boolean): string | undefined {
  if (nodes === 0) return 'the cluster has no such datacenter: no logout is acknowledged';
  if (count === 0) return isLocal ? 'no replica: nothing can be read or written' : undefined;
  const quorum = Math.floor(count / 2) + 1;
  return quorum > nodes ? `${count} replicas, ${nodes} nodes: never a quorum` : undefined;
}

function weaknessOf(count: number, nodes: number, wanted: number): string | undefined {
  if (count === 0) return 'no replica: no logout waits for it, and no service can run there';
  if (count > nodes) return `${count} replicas, ${nodes} nodes`;
  if (count < FULL_QUORUM) return `${count} of ${nodes} nodes: no quorum while one of them is away`;
  if (count % 2 === 0) return `${count}, which is even: survives no more nodes than ${count - 1}`;
  return count === wanted ? undefined : `${count} replicas instead of ${wanted}`;
}

function tableFindings({ keyspace, columns, options, ...live }: LiveSchema, expected: Expected): Finding[] {
  const { schema } = expected;
  const what = `table ${qualified(schema.keyspace, schema.table)}`;
  if (!keyspace) return [];
  if (!options) return [fail(what, 'missing', APPLY)];
  if (!isSessionTable(columns))
    return [
      fail(
        what,
        `not one of sessions: ${columns.join(', ')}`,
        'name another in cassandra.table, and run kask schema apply',
      ),
    ];
  const odd = schema.options.flatMap(
    (option) => optionFinding(option, options[option.name], live.hintWindowSeconds, expected) ?? [],
  );
  const fitting = `${schema.options.length - odd.length} of ${schema.options.length} options fit`;
  return [ok(what, `key text PRIMARY KEY, value blob; ${fitting}`), ...odd];
}

function optionFinding(
  option: TableOption,
  found: unknown,
  hintWindowSeconds: number,
  { schema, ttlSeconds }: Expected,
): Finding | undefined {
  const fix = alterTable(schema, option);
  if (option.name === 'gc_grace_seconds') {
    const why = graceFault(Number(found), ttlSeconds, hintWindowSeconds);
    return why === undefined ? undefined : warn(option.name, `${Number(found)}: ${why}`, fix);
  }
  if (isAsWanted(option.value, found)) return undefined;
  return warn(option.name, `${shown(found)}. ${option.reason}`, fix);
}

function graceFault(grace: number, ttlSeconds: number, hintWindowSeconds: number): string | undefined {
  if (grace < ttlSeconds)
    return `less than max_ttl, ${ttlSeconds}: a logout that a replica missed can be undone, unless each node is repaired so often`;
  if (grace < hintWindowSeconds)
    return `less than max_hint_window, ${hintWindowSeconds} s: a node that was away is not told all that it missed`;
  return undefined;
}

function ttlFindings(ttlSeconds: number): Finding[] {
  if (ttlSeconds === 0)
    return [
      warn(
        'default_ttl',
        '0: sessions never expire, so the table only grows, and a logout that a replica missed can be undone',
        'set it, or repair each node within gc_grace_seconds',
      ),
    ];
  if (Date.now() + ttlSeconds * 1000 < LAST_EXPIRY) return [];
  const fix = 'have storage_compatibility_mode: NONE on all nodes, or set it lower';
  return [warn('max_ttl', `${ttlSeconds}: expires after 19 January 2038, which Cassandra may refuse`, fix)];
}

/** Of a map only what we would set: what else is in it may be an operator's, or a default. */
function isAsWanted(wanted: OptionValue, found: unknown): boolean {
  if (typeof wanted === 'number') return Number(found) === wanted;
  if (typeof wanted === 'string') return String(found).toLowerCase() === wanted.toLowerCase();
  const map = found as Record<string, string> | null;
  return Object.entries(wanted).every(([name, value]) => lastPart(map?.[name] ?? '') === value);
}

function shown(found: unknown): string {
  if (typeof found !== 'object' || found === null) return String(found);
  const map = found as Record<string, string>;
  return literal(Object.fromEntries(Object.entries(map).map(([name, value]) => [name, lastPart(value)])));
}

/** Cassandra shows a class with its package. */
function lastPart(name: string): string {
  return name.startsWith('org.apache.cassandra.') ? name.slice(name.lastIndexOf('.') + 1) : name;
}

function datacentersOf(nodes: readonly LiveNode[]): string[] {
  return [...new Set(nodes.map(({ datacenter }) => datacenter))].sort();
}
