import { randomBytes } from 'node:crypto';
import { Client } from 'cassandra-driver';
import { Replicas } from '../../src/modules/storage/cassandra/lane/replicas.js';
import { EnduranceRun } from '../endurance/endurance-run.js';
import type { Fault } from '../endurance/faults.js';

jest.setTimeout(300_000);

const KEYS = 1_000;

const fault = (kind: Fault['kind'], node: number, ms: number, afterMs = 0): Fault => ({
  kind,
  node,
  ms,
  afterMs,
});

/** What `npm run test:endurance` does for longer and by chance. */
describe('three nodes that are killed, frozen and cut off under load', () => {
  let run: EnduranceRun;

  beforeAll(async () => {
    run = await EnduranceRun.start({ seed: 1, dataPath: 'lane', tell: () => undefined });
  });
  afterAll(() => run?.stop());

  it('are known to the lane by the keys they hold as the driver knows them', async () => {
    const replicated = (times: number): string => `{'class': 'NetworkTopologyStrategy', 'eqiad': ${times}}`;
    for (const times of [1, 2])
      await run.cluster.execute(`CREATE KEYSPACE held_${times} WITH replication = ${replicated(times)}`);
    const client = new Client({ contactPoints: run.cluster.contactPoints, localDataCenter: 'eqiad' });
    try {
      await client.connect();
      for (const keyspace of ['held_1', 'held_2', 'sessions']) expectSameReplicas(client, keyspace);
    } finally {
      await client.shutdown();
    }
  });

  it('lose no session, and leave no request without an end', async () => {
    await run.endureSteps([
      [fault('cut off', 0, 1_000), fault('cut off', 1, 1_000), fault('cut off', 2, 1_000)],
      [fault('killed', 0, 0), fault('frozen', 1, 4_000, 2_000)],
    ]);
    process.stdout.write(`${run.summary().join('\n')}\n`);
    expect(run.wrong()).toEqual([]);
  });
});

function expectSameReplicas(client: Client, keyspace: string): void {
  const replicas = new Replicas(() => client.metadata, keyspace);
  const keys = Array.from({ length: KEYS }, () => randomBytes(16));
  const known = keys.map((key) => (client.getReplicas(keyspace, key) ?? []).map((host) => host.address));
  expect(keys.map((key) => replicas.of(key))).toEqual(known);
  expect(new Set(known.map(([first]) => first)).size).toBe(client.hosts.length);
}
