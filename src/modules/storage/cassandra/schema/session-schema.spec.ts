import { readFileSync } from 'node:fs';
import path from 'node:path';
import { creationOf, describeSchema, sessionSchema } from './session-schema.js';

const NAME = { keyspace: 'kask', table: 'values' };
const schema = sessionSchema(NAME, 86_400, { eqiad: 3, codfw: 3 }, '5.0');
const document = readFileSync(path.resolve(__dirname, '../../../../../docs/cassandra.md'), 'utf8');
const statementsIn = (cql: string): string[] =>
  cql
    .replaceAll(/^ *--.*$/gm, '')
    .split(';')
    .map((statement) => statement.replaceAll(/\s+/g, ' ').trim())
    .filter(Boolean);

it('is printed as it is applied', () => {
  const { keyspace, table } = creationOf(schema);
  expect(statementsIn(describeSchema(schema))).toEqual([keyspace, table]);
});

it('is told in docs/cassandra.md as it is printed', () => {
  const block = /\n {4}CREATE KEYSPACE .+?;\n\n {4}CREATE TABLE .+?;\n/s.exec(document)?.[0] ?? '';
  expect(statementsIn(block)).toEqual(statementsIn(describeSchema(schema)));
  const rows = document.replaceAll(/ +/g, ' ');
  for (const { name, reason } of schema.options) expect(rows).toContain(`| \`${name}\` | ${reason} |`);
});

it('keeps what was deleted for as long as what was written can live', () => {
  const graceOf = (ttlSeconds: number) =>
    sessionSchema(NAME, ttlSeconds, { eqiad: 3 }, '5.0').options.find(
      ({ name }) => name === 'gc_grace_seconds',
    )?.value;
  expect([0, 86_400, 31_536_000].map(graceOf)).toEqual([864_000, 864_000, 31_536_000]);
});

it.each([
  ['4.1.3', 'LeveledCompactionStrategy'],
  ['5.0.6', 'UnifiedCompactionStrategy'],
  ['10.0', 'UnifiedCompactionStrategy'],
])('suits Cassandra %s', (release, strategy) => {
  expect(creationOf(sessionSchema(NAME, 0, { eqiad: 3 }, release)).table).toContain(strategy);
});

it('quotes names and escapes those of datacenters', () => {
  expect(creationOf(sessionSchema({ keyspace: 'K', table: 'T' }, 0, { "o'dc": 1 }, '5.0')).keyspace).toBe(
    `CREATE KEYSPACE IF NOT EXISTS "K" WITH replication = {'class': 'NetworkTopologyStrategy', 'o''dc': 1}`,
  );
});

it('has no line that a terminal of 120 columns breaks, but those of maps', () => {
  const long = describeSchema(schema)
    .split('\n')
    .filter((line) => line.length > 120);
  expect(long.filter((line) => !line.includes('{'))).toEqual([]);
});
