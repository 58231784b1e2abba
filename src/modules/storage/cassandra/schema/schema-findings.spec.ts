import type { Finding } from '../../../../finding.js';
import type { LiveSchema } from './live-schema.js';
import { schemaFindings } from './schema-findings.js';
import { sessionSchema } from './session-schema.js';

const DAY = 86_400;
const NAME = { keyspace: 'kask', table: 'values' };
const SESSIONS = ['key text partition_key', 'value blob regular'];
const TWO = { eqiad: 3, codfw: 3 };

const nodes = (sizes: Record<string, number>) =>
  Object.entries(sizes).flatMap(([datacenter, size]) =>
    Array.from({ length: size }, (_, i) => ({
      address: `${datacenter}${i}:9042`,
      datacenter,
      release: '5.0.6',
      isUp: true,
    })),
  );

/** As system_schema has what `kask schema apply` made. */
const made = (replicas: Record<string, number> = TWO): LiveSchema => {
  const { options } = sessionSchema(NAME, DAY, replicas, '5.0');
  const counts = Object.entries(replicas).map(([name, count]) => [name, String(count)]);
  return {
    nodes: nodes(replicas),
    keyspace: {
      replication: {
        class: 'org.apache.cassandra.locator.NetworkTopologyStrategy',
        ...Object.fromEntries(counts),
      },
      durableWrites: true,
    },
    columns: SESSIONS,
    options: Object.fromEntries(options.map(({ name, value }) => [name, value])),
    hintWindowSeconds: 10_800,
  };
};

const found = (live: LiveSchema, { ttlSeconds = DAY, local = 'eqiad', replicas = TWO } = {}): Finding[] =>
  schemaFindings(live, {
    schema: sessionSchema(NAME, ttlSeconds, replicas, '5.0'),
    localDatacenter: local || undefined,
    ttlSeconds,
  });

const odd = (...parameters: Parameters<typeof found>): string[] =>
  found(...parameters)
    .filter(({ verdict }) => verdict !== 'ok')
    .map((each) => `${each.verdict} ${each.what}: ${each.found} -> ${each.fix}`);

const replicated = (replicas: Record<string, string>, sizes: Record<string, number> = TWO): LiveSchema => ({
  ...made(),
  nodes: nodes(sizes),
  keyspace: { replication: { class: 'NetworkTopologyStrategy', ...replicas }, durableWrites: true },
});

const withOptions = (options: Record<string, unknown>): LiveSchema => ({
  ...made(),
  options: { ...made().options, ...options },
});

const ALTER =
  `ALTER KEYSPACE "kask" WITH replication = {'class': 'NetworkTopologyStrategy', 'eqiad': 3, 'codfw': 3};` +
  ' then on each node: nodetool repair -full kask';

it('has nothing to say of what was applied', () => {
  expect(odd(made())).toEqual([]);
  expect(found(made()).map(({ what, found: as }) => `${what}: ${as}`)).toEqual([
    'cassandra.local_dc: eqiad',
    'replication in codfw: 3 of 3 nodes',
    'replication in eqiad: 3 of 3 nodes',
    'table "kask"."values": key text PRIMARY KEY, value blob; 9 of 9 options fit',
  ]);
});

it('finds no fault in the table of production, and says what to alter', () => {
  const defaults = {
    compaction: {
      class: 'org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy',
      max_threshold: '32',
    },
    compression: { class: 'org.apache.cassandra.io.compress.LZ4Compressor', chunk_length_in_kb: '16' },
    speculative_retry: '99p',
    additional_write_policy: '99p',
  };
  const lines = odd(withOptions(defaults));
  expect(lines.map((line) => line.split('. ')[0])).toEqual([
    `warn compaction: {'class': 'SizeTieredCompactionStrategy', 'max_threshold': '32'}`,
    `warn compression: {'class': 'LZ4Compressor', 'chunk_length_in_kb': '16'}`,
    'warn speculative_retry: 99p',
    'warn additional_write_policy: 99p',
  ]);
  expect(lines[2]).toMatch(/ -> ALTER TABLE "kask"."values" WITH speculative_retry = 'MIN\(99p,50ms\)';$/);
});

it.each<[string, Record<string, string>, Record<string, number>, string[]]>([
  [
    'a datacenter without replicas',
    { eqiad: '3' },
    TWO,
    [
      `warn replication in codfw: no replica: no logout waits for it, and no service can run there -> ${ALTER}`,
    ],
  ],
  [
    'our datacenter without replicas',
    { codfw: '3' },
    TWO,
    [`fail replication in eqiad: no replica: nothing can be read or written -> ${ALTER}`],
  ],
  [
    'a datacenter that is gone',
    { eqiad: '3', codfw: '3', esams: '3' },
    TWO,
    [`fail replication in esams: the cluster has no such datacenter: no logout is acknowledged -> ${ALTER}`],
  ],
  [
    'two replicas',
    { eqiad: '3', codfw: '2' },
    TWO,
    [`warn replication in codfw: 2 of 3 nodes: no quorum while one of them is away -> ${ALTER}`],
  ],
  [
    'four replicas',
    { eqiad: '3', codfw: '4' },
    { eqiad: 3, codfw: 5 },
    [`warn replication in codfw: 4, which is even: survives no more nodes than 3 -> ${ALTER}`],
  ],
  [
    'five replicas',
    { eqiad: '3', codfw: '5' },
    { eqiad: 3, codfw: 5 },
    [`warn replication in codfw: 5 replicas instead of 3 -> ${ALTER}`],
  ],
  [
    'too few nodes',
    { eqiad: '3', codfw: '3' },
    { eqiad: 3, codfw: 1 },
    [`fail replication in codfw: 3 replicas, 1 nodes: never a quorum -> ${ALTER}`],
  ],
  [
    'a node too few',
    { eqiad: '3', codfw: '3' },
    { eqiad: 3, codfw: 2 },
    ['warn replication in codfw: 3 replicas, 2 nodes -> add nodes, three at least'],
  ],
])('tells of %s', (_name, replicas, sizes, lines) => {
  expect(odd(replicated(replicas, sizes))).toEqual(lines);
});

it.each([
  [TWO, 'fail'],
  [{ eqiad: 3 }, 'warn'],
])('tells of a strategy that knows no datacenters: %j', (sizes, verdict) => {
  const live = replicated({ class: 'SimpleStrategy', replication_factor: '3' }, sizes);
  expect(odd(live)).toEqual([expect.stringMatching(new RegExp(`^${verdict} replication: SimpleStrategy: `))]);
});

it.each<[string, LiveSchema, string]>([
  [
    'keyspace',
    { ...made(), keyspace: undefined, options: undefined, columns: [] },
    'fail keyspace "kask": missing -> run kask schema apply',
  ],
  [
    'table',
    { ...made(), options: undefined, columns: [] },
    'fail table "kask"."values": missing -> run kask schema apply',
  ],
])('tells of a missing %s, once', (_name, live, line) => {
  expect(odd(live)).toEqual([line]);
});

it('tells of a table of something else', () => {
  expect(odd({ ...made(), columns: ['key blob partition_key', 'value blob regular'] })).toEqual([
    expect.stringMatching(/^fail table "kask"."values": not one of sessions: key blob partition_key/),
  ]);
});

it('tells of a local_dc that is not set, or none', () => {
  expect(odd(made(), { local: '' })).toEqual([
    expect.stringMatching(/^warn cassandra.local_dc: not set; .+ codfw, eqiad ->/),
  ]);
  expect(odd(made(), { local: 'esams' })).toEqual([
    expect.stringMatching(/^fail cassandra.local_dc: esams; .+ codfw, eqiad ->/),
  ]);
});

it.each([
  [DAY, DAY, 0],
  [DAY - 1, DAY, 1],
  [7200, 3600, 1],
  [31_536_000, DAY, 0],
])('gc_grace_seconds %i with a TTL of %i s', (grace, ttlSeconds, warnings) => {
  const lines = odd(withOptions({ gc_grace_seconds: grace }), { ttlSeconds });
  expect(lines.filter((line) => line.startsWith('warn gc_grace_seconds'))).toHaveLength(warnings);
});

it('tells of sessions that never expire, or later than Cassandra can tell', () => {
  expect(odd(made(), { ttlSeconds: 0 })).toEqual([expect.stringMatching(/^warn default_ttl: 0: /)]);
  const years = 15 * 365 * DAY;
  expect(odd(withOptions({ gc_grace_seconds: years }), { ttlSeconds: years })).toEqual([
    expect.stringMatching(/^warn max_ttl: \d+: expires after 19 January 2038/),
  ]);
});

it('tells of writes that a power cut loses', () => {
  const live = made();
  expect(odd({ ...live, keyspace: { ...live.keyspace!, durableWrites: false } })).toEqual([
    expect.stringMatching(
      /^warn keyspace "kask": durable_writes is false.+ALTER KEYSPACE "kask" WITH durable_writes = true;$/,
    ),
  ]);
});
