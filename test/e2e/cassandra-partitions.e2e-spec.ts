import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { types } from 'cassandra-driver';
import { untilRefuses, untilServes } from '../harness/cassandra/availability.js';
import { CassandraCluster } from '../harness/cassandra/cluster.js';
import type { CassandraNode } from '../harness/cassandra/node.js';

const { all, localQuorum, one, quorum } = types.consistencies;

jest.setTimeout(300_000);

/** Scenarios of outages stand on these promises: a cut that leaks would make them lie. */
describe('nodes that are cut from each other', () => {
  let cluster: CassandraCluster;
  let first: CassandraNode;
  let second: CassandraNode;
  let far: CassandraNode;

  beforeAll(async () => {
    cluster = await CassandraCluster.start({ datacenters: { eqiad: 2, codfw: 1 }, partitions: true });
    await cluster.createSessionTable('sessions');
    [first, second, far] = cluster.nodes as [CassandraNode, CassandraNode, CassandraNode];
  });

  afterAll(() => cluster?.stop());

  it('refuse what the others would be needed for, on each side, and serve the rest', async () => {
    await cluster.partition([first], [second, far]);

    await Promise.all([untilRefuses(first, localQuorum), untilRefuses(second, localQuorum)]);
    await untilServes(second, quorum);
    await untilServes(first, one);
  });

  it('serve all again once it is healed', async () => {
    await cluster.heal();

    await Promise.all(cluster.nodes.map((node) => untilServes(node, all)));
  });

  it('leave no rule behind', async () => {
    await cluster.partition([first, second], [far]);
    const chain = path.basename(cluster.directory);
    expect(rules()).toContain(chain);

    await cluster.stop();

    expect(rules()).not.toContain(chain);
  });
});

function rules(): string {
  return execFileSync('iptables', ['-w', '-S'], { encoding: 'utf8' });
}
