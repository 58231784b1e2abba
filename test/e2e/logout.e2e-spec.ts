import request, { type Response } from 'supertest';
import { CassandraCluster } from '../harness/cassandra/cluster.js';
import type { CassandraNode } from '../harness/cassandra/node.js';
import { eventually } from '../harness/cassandra/poll.js';
import { byEach, DATA_PATHS } from '../harness/data-paths.js';
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

/** By one way to the nodes, with a process in each datacenter. */
class Service {
  here!: KaskProcess;
  there: KaskProcess | undefined;

  constructor(readonly dataPath: string) {}

  get(kask: KaskProcess, name: string): Promise<number> {
    return request(kask.url(this.key(name)))
      .get('')
      .then(({ status }) => status);
  }

  post(name: string): Promise<number> {
    return request(this.here.url(this.key(name)))
      .post('')
      .send('Ada')
      .then(({ status }) => status);
  }

  /** With what a client measures, in ms. */
  async remove(name: string): Promise<{ answer: Response; ms: number }> {
    const start = performance.now();
    const answer = await request(this.here.url(this.key(name))).delete('');
    return { answer, ms: performance.now() - start };
  }

  async expectPending(name: string): Promise<number> {
    const { answer, ms } = await this.remove(name);
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
    expect(JSON.parse(answer.text)).toEqual({
      type: 'https://www.mediawiki.org/wiki/Kask/errors/delete_pending',
      title: 'Delete pending',
      detail:
        'Not every datacenter has acknowledged the delete yet, and it is repeated until each has: ' +
        'it took effect in this datacenter',
      instance: '/sessions/v1/:key',
    });
    expect(await this.get(this.here, name)).toBe(404);
    return Math.round(ms);
  }

  pendingDeletes(): Promise<number> {
    return metric(this.here, 'kask_pending_deletes');
  }

  async stop(): Promise<void> {
    for (const kask of [this.here, this.there]) {
      await kask?.stop();
      expect(`${kask?.stdout}${kask?.stderr}`).not.toContain('MWSession');
    }
  }

  private key(name: string): string {
    return `enwiki:MWSession:${this.dataPath}:${name}`;
  }
}

describe('logging out while the other datacenter is away, by the lane and by the driver', () => {
  const services = DATA_PATHS.map((dataPath) => new Service(dataPath));

  beforeAll(() =>
    byEach(services, async (service) => {
      service.here = await start(eqiad, service.dataPath);
    }),
  );
  afterAll(() => byEach(services, (service) => service.stop()));

  it('is acknowledged while both are there', () =>
    byEach(services, async (service) => {
      expect(await service.post('before')).toBe(201);
      expect((await service.remove('before')).answer.status).toBe(204);
      expect(await service.get(service.here, 'before')).toBe(404);
      expect(await service.pendingDeletes()).toBe(0);
    }));

  it('takes effect here at once, before and after Cassandra knows that the other is dead', async () => {
    await byEach(services, async (service) => {
      for (const name of ['silent', 'hurried', 'refused']) expect(await service.post(name)).toBe(201);
    });
    await cluster.kill(codfw);
    await byEach(services, async (service) => {
      const times = [await service.expectPending('silent'), await service.expectPending('hurried')];
      expect(await service.pendingDeletes()).toBe(2);
      await eventually(
        async () => expect((times[2] = await service.expectPending('refused'))).toBeLessThan(SUSPECTED_MS),
        60_000,
      );
      expect(await service.pendingDeletes()).toBe(3);
      process.stdout.write(
        `${service.dataPath}: pending deletes were answered after ${times.join(', ')} ms\n`,
      );
      expect(times[0]).toBeLessThan(TIMEOUT_MS);
      expect(times[1]).toBeLessThan(1_000);
    });
  });

  it('does not touch what is written after it', () =>
    byEach(services, async (service) => expect(await service.post('refused')).toBe(201)));

  it('ends there as well once it is back', async () => {
    await cluster.restart(codfw);
    const back = Date.now();
    await byEach(services, async (service) => {
      await eventually(async () => expect(await service.pendingDeletes()).toBe(0), 60_000);
      process.stdout.write(
        `${service.dataPath}: nothing was pending ${Date.now() - back} ms after codfw was back\n`,
      );
      service.there = await start(codfw, service.dataPath);
      for (const name of ['silent', 'hurried']) expect(await service.get(service.there, name)).toBe(404);
      expect(await service.get(service.here, 'refused')).toBe(200);
      const told = service.here.logs().filter(({ msg }) => /pending/.test(msg));
      expect(told.at(0)).toMatchObject({ msg: 'a delete is pending until every datacenter acknowledges it' });
      expect(told.at(-1)).toMatchObject({ msg: 'no delete is pending any more' });
    });
  });

  it('is told of when the service is stopped before that', async () => {
    await byEach(services, async (service) => {
      await service.there?.stop();
      expect(await service.post('left')).toBe(201);
    });
    await cluster.kill(codfw);
    await byEach(services, async (service) => {
      await service.expectPending('left');
      const start = Date.now();
      expect(await service.here.stop()).toBe(0);
      expect(Date.now() - start).toBeLessThan(8_000);
      expect(service.here.logs().slice(-2)).toMatchObject([
        { level: 'WARNING', msg: 'trying pending deletes a last time', pending: 1 },
        {
          level: 'ERROR',
          msg: 'ending with deletes that not every datacenter has acknowledged',
          pending: 1,
        },
      ]);
    });
    await cluster.restart(codfw);
  });

  it('that was acknowledged here alone comes there by the hints of its coordinator', () =>
    byEach(services, async (service) => {
      const there = (service.there = await start(codfw, service.dataPath));
      await eventually(async () => expect(await service.get(there, 'left')).toBe(404), 60_000);
    }));
});
