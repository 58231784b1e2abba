import request, { type Test } from 'supertest';
import { CassandraCluster } from '../harness/cassandra/cluster.js';
import type { CassandraNode } from '../harness/cassandra/node.js';
import { eventually } from '../harness/cassandra/poll.js';
import { byEach, DATA_PATHS } from '../harness/data-paths.js';
import { KaskProcess, type LogLine } from '../harness/kask.js';
import { metric } from '../harness/metrics.js';
import { readiness, untilNotReady, untilReady } from '../harness/readiness.js';
import { StatusRecord } from '../harness/status-record.js';

jest.setTimeout(300_000);

const QUERY_TIMEOUT_MS = 1000;
/** After so many requests without an answer the driver gives a connection up, and so does the lane. */
const UNANSWERED = 64;

let cluster: CassandraCluster;
let node: CassandraNode;

/** By one way to the node. */
class Service {
  private constructor(
    readonly dataPath: string,
    readonly kask: KaskProcess,
  ) {}

  static async start(dataPath: string): Promise<Service> {
    const kask = await KaskProcess.start({
      cassandra: {
        hosts: cluster.contactPoints,
        keyspace: 'sessions',
        local_dc: node.datacenter,
        query_timeout_ms: QUERY_TIMEOUT_MS,
        data_path: dataPath,
      },
    });
    return new Service(dataPath, kask);
  }

  url(name = 'Ada'): string {
    return this.kask.url(`enwiki:MWSession:${this.dataPath}:${name}`);
  }

  get(): Test {
    return request(this.url()).get('');
  }

  post(value: string | Buffer): Test {
    return request(this.url()).post('').send(value);
  }

  delete(name?: string): Test {
    return request(this.url(name)).delete('');
  }

  metric(name: string): Promise<number> {
    return metric(this.kask, name);
  }

  linesThat(msg: string): LogLine[] {
    return this.kask.logs().filter((line) => line.msg === msg);
  }

  tell(scenario: string, record: StatusRecord): void {
    const title = `by the ${this.dataPath}, ${scenario}: slowest answer ${record.slowest} ms`;
    process.stdout.write(`${[title, ...record.lines()].join('\n')}\n`);
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('by the lane and by the driver', () => {
  let services: Service[] = [];

  beforeAll(async () => {
    // Half of a segment is the largest mutation: 2 MiB here.
    cluster = await CassandraCluster.start({
      datacenters: { eqiad: 1 },
      yaml: { commitlog_segment_size: '4MiB' },
    });
    await cluster.createSessionTable('sessions');
    node = cluster.nodes[0] as CassandraNode;
    await cluster.kill(node);
    services = await Promise.all(DATA_PATHS.map((dataPath) => Service.start(dataPath)));
  });

  afterAll(async () => {
    await byEach(services, ({ kask }) => kask.stop());
    await cluster?.stop();
  });

  describe('a service that is started before Cassandra', () => {
    it('listens, lives, and is not ready', async () => {
      await byEach(services, async ({ kask }) => {
        await request(kask.origin).get('/healthz').expect(200);
        await request(kask.origin).get('/healthz/live').expect(200);
        expect(await readiness(kask)).toEqual({
          status: 503,
          reason: `not connected to Cassandra: ${node.address}:9042: connect ECONNREFUSED ${node.address}:9042`,
        });
      });
    });

    it.each(['get', 'head', 'post', 'put'] as const)('answers 503 to %s', async (method) => {
      await byEach(services, async (service) => {
        const answer = await request(service.url())
          [method]('')
          .send(/p/.test(method) ? 'Ada' : undefined);
        expect(answer.status).toBe(503);
        expect(answer.headers).toMatchObject({
          'retry-after': '1',
          'content-type': 'application/problem+json',
        });
        if (method === 'head') return;
        expect(JSON.parse(String(answer.body.length ? answer.body : answer.text))).toEqual({
          type: 'https://www.mediawiki.org/wiki/Kask/errors/unavailable',
          title: 'Service unavailable',
          detail: 'The storage cannot serve this request now: not connected to Cassandra',
          instance: '/sessions/v1/:key',
        });
      });
    });

    it('remembers deletes, and does them once the node is there', async () => {
      await byEach(services, async (service) => {
        const answer = await service.delete();
        expect(answer.status).toBe(503);
        expect(JSON.parse(answer.text)).toMatchObject({ title: 'Delete pending' });
        expect(await service.metric('kask_pending_deletes')).toBe(1);
      });
    });

    it('has said so once', async () => {
      await sleep(3000);
      for (const service of services)
        expect(service.linesThat('storage does not serve')).toMatchObject([
          { level: 'ERROR', reason: expect.stringContaining('ECONNREFUSED') as string },
        ]);
    });

    it('knows no node', async () => {
      await byEach(services, async (service) => {
        expect(await service.metric('kask_cassandra_hosts_up')).toBe(0);
        expect(await service.metric('kask_cassandra_connections')).toBe(0);
        expect(await service.metric('kask_storage_up')).toBe(0);
      });
    });

    it('serves once the node is there', async () => {
      const restarted = cluster.restart(node);
      await byEach(services, async (service) => {
        const record = new StatusRecord(service.url());
        await restarted;
        record.note('the node serves');
        await untilReady(service.kask);
        record.note('ready');
        await sleep(1000);
        await record.stop();
        service.tell('started before Cassandra', record);
        expect(record.statuses()).toEqual([404, 503]);
        expect(service.linesThat('connected to Cassandra')).toHaveLength(1);
        expect(service.linesThat('storage serves again')).toHaveLength(1);
        expect((await service.post('Ada')).status).toBe(201);
        expect(await service.metric('kask_cassandra_hosts_up')).toBe(1);
        expect(await service.metric('kask_cassandra_connections')).toBeGreaterThanOrEqual(1);
        await eventually(async () => expect(await service.metric('kask_pending_deletes')).toBe(0), 15_000);
        expect((await service.get()).status).toBe(200);
      });
    });
  });

  describe('a value that the node does not take', () => {
    it('is refused with 413, and neither it nor its key is logged', async () => {
      await byEach(services, async (service) => {
        const answer = await service.post(Buffer.alloc(2_500_000, 'v'));
        expect(answer.status).toBe(413);
        expect(JSON.parse(answer.text)).toMatchObject({
          title: 'Content too large',
          detail:
            'The value is larger than this service stores: Cassandra does not take a value of this size',
        });
        expect((await service.get()).body).toEqual(Buffer.from('Ada'));
        expect(service.kask.stdout + service.kask.stderr).not.toContain('MWSession');
      });
    });
  });

  describe('a node that is frozen', () => {
    it('ends requests with 504 and readiness with 503; thawed, it serves', async () => {
      cluster.freeze(node);
      try {
        await byEach(services, async (service) => {
          const { kask } = service;
          const pending = Promise.all([service.get(), service.post('Bob')]);
          const deleted = service.delete('other').then((answer) => answer);
          await eventually(async () =>
            expect(await service.metric('kask_cassandra_requests_in_flight')).toBeGreaterThanOrEqual(3),
          );
          for (const answer of await pending) {
            expect(answer.status).toBe(504);
            expect(answer.headers).not.toHaveProperty('retry-after');
          }
          expect(await deleted).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
          expect((await deleted).text).toContain('Kask/errors/delete_pending');
          await untilNotReady(kask, /did not answer in time/);
          await request(kask.origin).get('/healthz').expect(200);
          await request(kask.origin).get('/healthz/live').expect(200);
        });
      } finally {
        cluster.thaw(node);
      }
      await byEach(services, async (service) => {
        await untilReady(service.kask);
        // The write was answered 504, and yet it took effect: it had reached the node.
        await eventually(async () => expect((await service.get()).body).toEqual(Buffer.from('Bob')), 10_000);
      });
    });

    it('costs no request its time once its connections are given up', async () => {
      cluster.freeze(node);
      try {
        await byEach(services, async (service) => {
          const statuses = await Promise.all(
            Array.from({ length: UNANSWERED + 10 }, async () => (await service.get()).status),
          );
          // Which of them is taken first is not said. Probes and heartbeats count too: who still waits when it gives up is
          // told 503 before his time.
          expect(statuses).toContain(504);
          expect(statuses.filter((status) => status !== 503 && status !== 504)).toEqual([]);
          await untilNotReady(service.kask, /^not connected to Cassandra/);
          expect((await service.get()).status).toBe(503);
        });
      } finally {
        cluster.thaw(node);
      }
      await byEach(services, async (service) => {
        await untilReady(service.kask);
        expect((await service.get()).status).toBe(200);
      });
    });
  });

  describe('a node that is killed and comes back', () => {
    it('gives its clients 503 while it is away, and never an absent session', async () => {
      await byEach(services, async (service) => expect((await service.post('Ada')).status).toBe(201));
      const records = services.map((service) => ({
        service,
        reads: new StatusRecord(service.url()),
        writes: new StatusRecord(service.url('written'), 'post'),
      }));
      const note = (event: string): void => records.forEach(({ reads }) => reads.note(event));
      await sleep(2000);
      await cluster.kill(node);
      note('node killed');
      await byEach(services, ({ kask }) => untilNotReady(kask, /^not connected to Cassandra/));
      await sleep(2000);
      note('node starts');
      await cluster.restart(node);
      note('the node serves');
      await byEach(services, ({ kask }) => untilReady(kask));
      await sleep(2000);
      await Promise.all(records.flatMap(({ reads, writes }) => [reads.stop(), writes.stop()]));
      for (const { service, reads, writes } of records) {
        service.tell('killed and restarted, reads', reads);
        service.tell('killed and restarted, writes', writes);
        expect(reads.statuses()).toEqual([200, 503]);
        expect(writes.statuses()).toEqual([201, 503]);
        expect((await service.get()).body).toEqual(Buffer.from('Ada'));
      }
    });

    it('leaves the service with the connections that it uses', async () => {
      const { rows } = await cluster.execute('SELECT address, port FROM system_views.clients');
      const used = await byEach(services, (service) => service.metric('kask_cassandra_connections'));
      // The one that asks this has one or two as well.
      expect(rows.length - used.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(2);
    });
  });
});
