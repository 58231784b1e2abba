import { existsSync } from 'node:fs';
import { CassandraCluster } from '../harness/cassandra/cluster.js';
import { sharedCassandra, uniqueKeyspace } from '../harness/cassandra/cluster-of-the-run.js';

/** The tests stand on these promises: a harness that loses data or leaves nodes behind makes them lie. */
describe('a Cassandra cluster of the harness', () => {
  let cluster: CassandraCluster;

  beforeAll(async () => {
    cluster = await CassandraCluster.start({ datacenters: { eqiad: 1 } });
    await cluster.createSessionTable('sessions');
  }, 300_000);

  afterAll(() => cluster?.stop());

  const insert = (key: string, value: Buffer) =>
    cluster.execute('INSERT INTO sessions."values" (key, value) VALUES (?, ?)', [key, value]);

  const select = async (key: string) => {
    const found = await cluster.execute('SELECT value FROM sessions."values" WHERE key = ?', [key]);
    return found.first()?.value as Buffer | undefined;
  };

  it('keeps what was written', async () => {
    await insert('written', Buffer.from('a value'));

    expect(await select('written')).toEqual(Buffer.from('a value'));
    expect(await select('never written')).toBeUndefined();
  });

  it('comes back with its data after SIGKILL', async () => {
    const [node] = cluster.nodes as [CassandraCluster['nodes'][number]];
    await insert('before the end', Buffer.from('kept'));
    const before = node.pid as number;

    await cluster.kill(node);
    expect(node.pid).toBeUndefined();
    await cluster.restart(node);

    expect(node.pid).not.toBe(before);
    expect(await select('before the end')).toEqual(Buffer.from('kept'));
  }, 300_000);

  it('leaves no process and no directory behind', async () => {
    const [node] = cluster.nodes as [CassandraCluster['nodes'][number]];
    const pid = node.pid as number;
    cluster.freeze(node);

    await cluster.stop();

    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(existsSync(cluster.directory)).toBe(false);
  }, 30_000);
});

describe('the Cassandra that suites share', () => {
  it('gives each suite a keyspace of its own', async () => {
    const [first, second] = [await uniqueKeyspace(), await uniqueKeyspace()];

    expect(sharedCassandra()).toMatchObject({
      port: expect.any(Number) as number,
      datacenter: expect.any(String) as string,
    });
    expect(first.name).not.toBe(second.name);

    await Promise.all([first.drop(), second.drop()]);
  }, 60_000);
});
