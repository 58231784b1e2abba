import request, { type Response } from 'supertest';
import { CassandraCluster } from '../harness/cassandra/cluster.js';
import type { CassandraNode } from '../harness/cassandra/node.js';
import { eventually } from '../harness/cassandra/poll.js';
import { KaskProcess } from '../harness/kask.js';
import { metric } from '../harness/metrics.js';
import { untilReady } from '../harness/readiness.js';

jest.setTimeout(300_000);

const TIMEOUT_MS = 2_500;
/** What a delete takes at least while Cassandra does not know yet that the other datacenter is dead. */
const SUSPECTED_MS = 300;

let cluster: CassandraCluster;
let eqiad: CassandraNode;
let codfw: CassandraNode;

const start = async (node: CassandraNode, dataPath: string): Promise<KaskProcess> => {
  const kask = await KaskProcess.start({
    cassandra: {
      hosts: [node.address],
      keyspace: 'sessions',
      local_dc: node.datacenter,
      query_timeout_ms: TIMEOUT_MS,
      data_path: dataPath,
    },
  });
  await untilReady(kask);
  return kask;
};

beforeAll(async () => {
  cluster = await CassandraCluster.start({ datacenters: { eqiad: 1, codfw: 1 } });
  await cluster.createSessionTable('sessions');
  [eqiad, codfw] = cluster.nodes as [CassandraNode, CassandraNode];
});
afterAll(() => cluster?.stop());

describe.each(['lane', 'driver'])('logging out while the other datacenter is away, by the %s', (dataPath) => {
  let here: KaskProcess;
  let there: KaskProcess | undefined;
  const key = (name: string): string => `enwiki:MWSession:${dataPath}:${name}`;
  const get = async (kask: KaskProcess, name: string): Promise<number> =>
    (await request(kask.url(key(name))).get('')).status;
  const post = async (name: string): Promise<number> =>
    (
      await request(here.url(key(name)))
        .post('')
        .send('Ada')
    ).status;
  const pendingDeletes = (): Promise<number> => metric(here, 'kask_pending_deletes');

  /** With what a client measures, in ms. */
  async function remove(name: string): Promise<{ answer: Response; ms: number }> {
    const start = performance.now();
    const answer = await request(here.url(key(name))).delete('');
    return { answer, ms: performance.now() - start };
  }

  async function expectPending(name: string): Promise<number> {
    const { answer, ms } = await remove(name);
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
    expect(JSON.parse(answer.text)).toEqual({
      type: 'https://www.mediawiki.org/wiki/Kask/errors/delete_pending',
      title: 'Delete pending',
      detail:
        'Not every datacenter has acknowledged the delete yet, and it is repeated until each has: ' +
        'it took effect in this datacenter',
      instance: '/sessions/v1/:key',
    });
    expect(await get(here, name)).toBe(404);
    return Math.round(ms);
  }

  beforeAll(async () => {
    here = await start(eqiad, dataPath);
  });
  afterAll(async () => {
    for (const kask of [here, there]) {
      await kask?.stop();
      expect(`${kask?.stdout}${kask?.stderr}`).not.toContain('MWSession');
    }
  });

  it('is acknowledged while both are there', async () => {
    expect(await post('before')).toBe(201);
    expect((await remove('before')).answer.status).toBe(204);
    expect(await get(here, 'before')).toBe(404);
    expect(await pendingDeletes()).toBe(0);
  });

  it('takes effect here at once, before and after Cassandra knows that the other is dead', async () => {
    for (const name of ['silent', 'hurried', 'refused']) expect(await post(name)).toBe(201);
    await cluster.kill(codfw);
    const times = [await expectPending('silent'), await expectPending('hurried')];
    expect(await pendingDeletes()).toBe(2);
    await eventually(
      async () => expect((times[2] = await expectPending('refused'))).toBeLessThan(SUSPECTED_MS),
      60_000,
    );
    expect(await pendingDeletes()).toBe(3);
    process.stdout.write(`${dataPath}: pending deletes were answered after ${times.join(', ')} ms\n`);
    expect(times[0]).toBeLessThan(TIMEOUT_MS);
    expect(times[1]).toBeLessThan(1_000);
  });

  it('does not touch what is written after it', async () => {
    expect(await post('refused')).toBe(201);
  });

  it('ends there as well once it is back', async () => {
    await cluster.restart(codfw);
    const back = Date.now();
    await eventually(async () => expect(await pendingDeletes()).toBe(0), 60_000);
    process.stdout.write(`${dataPath}: nothing was pending ${Date.now() - back} ms after codfw was back\n`);
    there = await start(codfw, dataPath);
    for (const name of ['silent', 'hurried']) expect(await get(there, name)).toBe(404);
    expect(await get(here, 'refused')).toBe(200);
    const told = here.logs().filter(({ msg }) => /pending/.test(msg));
    expect(told.at(0)).toMatchObject({ msg: 'a delete is pending until every datacenter acknowledges it' });
    expect(told.at(-1)).toMatchObject({ msg: 'no delete is pending any more' });
  });

  it('is told of when the service is stopped before that', async () => {
    await there?.stop();
    expect(await post('left')).toBe(201);
    await cluster.kill(codfw);
    await expectPending('left');
    const start = Date.now();
    expect(await here.stop()).toBe(0);
    expect(Date.now() - start).toBeLessThan(8_000);
    expect(here.logs().slice(-2)).toMatchObject([
      { level: 'WARNING', msg: 'trying pending deletes a last time', pending: 1 },
      {
        level: 'ERROR',
        msg: 'ending with deletes that not every datacenter has acknowledged',
        pending: 1,
      },
    ]);
    await cluster.restart(codfw);
  });

  it('that was acknowledged here alone comes there by the hints of its coordinator', async () => {
    there = await start(codfw, dataPath);
    const other = there;
    await eventually(async () => expect(await get(other, 'left')).toBe(404), 60_000);
  });
});
