import { randomBytes } from 'node:crypto';
import { sharedCassandra } from '../harness/cassandra/cluster-of-the-run.js';
import { withClient } from '../harness/cassandra/node-client.js';
import { KaskProcess } from '../harness/kask.js';

interface Run {
  status: number | null;
  stdout: string;
  stderr: string;
}

let keyspace: string;
beforeEach(() => (keyspace = `kask_${randomBytes(6).toString('hex')}`));
afterEach(() => execute(`DROP KEYSPACE IF EXISTS ${keyspace}`));

async function execute(...statements: string[]) {
  const { hosts, port } = sharedCassandra();
  return withClient(
    hosts[0] as string,
    { authentication: false },
    async (client) => {
      const results = [];
      for (const statement of statements) results.push(await client.execute(statement));
      return results.at(-1)?.rows ?? [];
    },
    port,
  );
}

async function schema(
  words: string[],
  settings: Record<string, unknown> = {},
  top: Record<string, unknown> = {},
): Promise<Run> {
  const { hosts, port, datacenter } = sharedCassandra();
  const cassandra = { hosts, port, local_dc: datacenter, keyspace, ...settings };
  const kask = KaskProcess.spawn({ cassandra, ...top }, { args: ['schema', ...words] });
  return { status: await kask.exited, stdout: kask.stdout, stderr: kask.stderr };
}

const statementsIn = (cql: string): string[] => cql.split(/;\n/).filter((each) => each.trim());
const optionWarnings = ({ stdout }: Run): string[] =>
  stdout.split('\n').filter((line) => line.includes('ALTER TABLE'));

describe('kask schema', () => {
  it('prints without a cluster what a cluster takes', async () => {
    const { datacenter } = sharedCassandra();
    const printed = await schema(['print', '--datacenter', `${datacenter}=1`], {
      hosts: ['nowhere.invalid'],
    });
    expect(printed).toMatchObject({ status: 0, stderr: '' });
    await execute(...statementsIn(printed.stdout));
    const checked = await schema(['check']);
    expect(checked.status).toBe(0);
    expect(optionWarnings(checked)).toEqual([]);
  });

  it('prints for the datacenters of the cluster, unless told otherwise', async () => {
    const { datacenter } = sharedCassandra();
    const { status, stdout } = await schema(['print']);
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`^CREATE KEYSPACE .+'${datacenter}': [123]`, 'm'));
  });

  it('applies by several at once, and then changes nothing', async () => {
    const runs = await Promise.all([1, 2, 3].map(() => schema(['apply'])));
    expect(runs.map(({ status }) => status)).toEqual([0, 0, 0]);
    const id = `SELECT id, gc_grace_seconds FROM system_schema.tables WHERE keyspace_name = '${keyspace}'`;
    const made = await execute(id);
    expect(made).toHaveLength(1);
    const again = await schema(['apply']);
    expect(again).toMatchObject({ status: 0, stderr: '' });
    expect(again.stdout).not.toContain('created');
    expect(await execute(id)).toEqual(made);
  });

  it('leaves the table that production has, and says how to alter it', async () => {
    const { datacenter } = sharedCassandra();
    await execute(
      `CREATE KEYSPACE ${keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', '${datacenter}': 1}`,
      `CREATE TABLE ${keyspace}."values" (key text PRIMARY KEY, value blob) WITH gc_grace_seconds = 3600 AND default_time_to_live = 600`,
    );
    const applied = await schema(['apply']);
    expect(applied.status).toBe(0);
    const warnings = optionWarnings(applied);
    expect(warnings.map((line) => /^warn {2}(\w+): /.exec(line)?.[1])).toEqual([
      'gc_grace_seconds',
      'default_time_to_live',
      'compaction',
      'compression',
      'speculative_retry',
      'additional_write_policy',
    ]);
    expect((await schema(['check'])).stdout).toBe(applied.stdout);

    await execute(...warnings.map((line) => line.split(' -> ')[1] as string));
    const checked = await schema(['check']);
    expect(checked.status).toBe(0);
    expect(optionWarnings(checked)).toEqual([]);
  });

  it('finds fault with what sessions cannot live in', async () => {
    const { datacenter } = sharedCassandra();
    expect(await schema(['check'])).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('schema apply'),
    });
    await execute(
      `CREATE KEYSPACE ${keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', '${datacenter}': 99}`,
      `CREATE TABLE ${keyspace}."values" (key blob PRIMARY KEY, value blob)`,
    );
    for (const word of ['check', 'apply']) {
      const { status, stdout } = await schema([word], { local_dc: 'esams' });
      expect(status).toBe(1);
      for (const what of [
        'cassandra.local_dc',
        `replication in ${datacenter}`,
        `table "${keyspace}"."values"`,
      ])
        expect(stdout).toContain(`fail  ${what}: `);
    }
  });

  it('makes nothing in a datacenter that there is not', async () => {
    const { status, stdout } = await schema(['apply', '--datacenter', 'esams=3']);
    expect(status).toBe(1);
    expect(stdout).toBe(
      `fail  --datacenter: no node is in esams -> name datacenters of the cluster: ${sharedCassandra().datacenter}\n`,
    );
    expect((await schema(['check'])).stdout).toContain('missing');
  });

  it('tells a cluster that is away from a configuration that is wrong', async () => {
    const away = await schema(['check'], { hosts: ['127.0.0.1'], port: 1, connect_timeout_ms: 1000 });
    expect(away.status).toBe(69);
    expect(away.stdout).toMatch(
      /^fail {2}cassandra: 127\.0\.0\.1:1: connect ECONNREFUSED .+ -> start Cassandra there/,
    );
    expect(await schema(['check'], { port: 'none' })).toMatchObject({ status: 78, stdout: '' });
    expect(await schema(['check'], {}, { storage: 'embedded' })).toMatchObject({
      status: 78,
      stdout: 'fail  storage: embedded, which has no schema -> set storage: cassandra\n',
    });
    expect(await schema([])).toMatchObject({ status: 64, stdout: '' });
  });
});
