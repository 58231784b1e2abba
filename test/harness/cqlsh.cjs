// Stands in for `cqlsh`, which comes with Python: `cqlsh.cjs ADDRESS USER PASSWORD -e CQL`, or CQL on standard input.
// Rows are printed one a line, their columns separated by blanks.
const { readFileSync } = require('node:fs');
const { Client } = require('cassandra-driver');

const [address, username, password, ...rest] = process.argv.slice(2);
const at = rest.indexOf('-e');
const cql = at < 0 ? readFileSync(0, 'utf8') : rest[at + 1];
const statements = cql
  .replace(/--.*$/gm, '')
  .split(';')
  .map((statement) => statement.trim())
  .filter(Boolean);

const client = new Client({
  contactPoints: [address],
  localDataCenter: 'eqiad',
  credentials: { username, password },
  socketOptions: { readTimeout: 30_000 },
});

async function run() {
  await client.connect();
  for (const statement of statements) {
    const { rows = [] } = await client.execute(statement);
    for (const row of rows) console.log(row.values().join(' '));
  }
}

run()
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 2;
  })
  .finally(() => client.shutdown());
