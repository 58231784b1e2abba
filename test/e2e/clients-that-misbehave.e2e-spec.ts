import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import request from 'supertest';
import { CassandraCluster } from '../harness/cassandra/cluster.js';
import { KaskProcess, type LogLine } from '../harness/kask.js';
import { untilInFlight } from '../harness/metrics.js';
import { chunk, exchange, RawConnection, requestBytes } from '../harness/raw-http.js';
import { untilReady } from '../harness/readiness.js';
import { requestCounts } from '../harness/request-counts.js';

const MEBIBYTE = 1_048_576;

async function untilCounted(kask: KaskProcess, code: number, method: string, count: number): Promise<void> {
  const counted = async (): Promise<number> => (await requestCounts(kask))[`${method} ${code}`] ?? 0;
  while ((await counted()) < count) await sleep(20);
  expect(await counted()).toBe(count);
}

function linesWith(kask: KaskProcess, status: number): LogLine[] {
  return kask.logs().filter((line) => line.status === status);
}

describe('on the embedded store', () => {
  let kask: KaskProcess;
  let directory: string;
  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'kask-misbehave-'));
    kask = await KaskProcess.start({ storage: 'embedded', embedded: { path: directory } });
  });
  afterAll(async () => {
    await kask.stop();
    rmSync(directory, { recursive: true });
  });

  const put = (key: string, headers: Record<string, string>): Buffer =>
    requestBytes({ method: 'PUT', target: kask.path(key), headers });

  it('a client that leaves in the middle of its upload is counted and logged', async () => {
    for (const each of [1, 2, 3]) {
      const connection = await RawConnection.open(kask.origin);
      await connection.deliver(put(`left${each}`, { 'Content-Length': '100', 'X-Request-ID': 'left' }));
      await connection.deliver('half of it');
      await untilInFlight(kask, 1);
      connection.reset();
      await untilCounted(kask, 499, 'PUT', each);
    }
    expect(linesWith(kask, 499)).toHaveLength(3);
    expect(linesWith(kask, 499)[0]).toMatchObject({
      level: 'WARNING',
      msg: 'session request',
      request_id: 'left',
      reason: 'The client left before it was answered',
    });
    await untilInFlight(kask, 0);
  });

  it('a body that ends early is counted as what its client was answered', async () => {
    const connection = await RawConnection.open(kask.origin);
    connection.send(put('short', { 'Content-Length': '100' }));
    connection.send('half of it');
    connection.finish();
    expect((await connection.answer()).status).toBe(400);
    await untilCounted(kask, 400, 'PUT', 1);
    expect(linesWith(kask, 400)).toMatchObject([{ reason: 'The request body ended early' }]);
  });

  it('what cannot be read as HTTP has a log line without a word of it', async () => {
    const target = kask.path('MARKED');
    await exchange(kask.origin, { target, headers: { 'X-Long': 'MARKED'.repeat(5_000) } });
    const line = await kask.waitForLog(({ status }) => status === 431);
    expect(line).toMatchObject({ level: 'WARNING', msg: 'request that is no HTTP' });
    expect(kask.stdout).not.toContain('MARKED');
  });

  it('a second Host is refused', async () => {
    const { status, body } = await exchange(kask.origin, {
      target: kask.path('odd'),
      headers: { host: 'another' },
    });
    expect(status).toBe(400);
    expect(JSON.parse(String(body)).detail).toBe('The request has more than one Host header');
  });

  describe('many large values at once', () => {
    const LARGE = 7 * MEBIBYTE;

    /** Sends most of a large value, and waits. */
    async function hang(key: string, headers: Record<string, string>): Promise<RawConnection> {
      const connection = await RawConnection.open(kask.origin);
      connection.send(put(key, headers));
      const part = Buffer.alloc(LARGE);
      await connection.deliver('Transfer-Encoding' in headers ? chunk(part) : part);
      return connection;
    }

    it.each<Record<string, string>>([
      { 'Content-Length': String(8 * MEBIBYTE) },
      { 'Transfer-Encoding': 'chunked' },
    ])('are refused past four of the largest, ordinary ones never: %p', async (framing) => {
      const connections: RawConnection[] = [];
      for (let i = 0; i < 5; i++) connections.push(await hang(`large${i}`, framing));
      // Which of them is one too many depends on how much of each the service had read when the last byte found no room.
      const answer = await Promise.any(connections.map((connection) => connection.answer('PUT')));
      expect(answer.status).toBe(503);
      expect(answer.headers['retry-after']).toBe('1');
      expect(JSON.parse(String(answer.body)).detail).toBe('Too many large values are on their way');
      await request(kask.origin).put(kask.path('ordinary')).send('x'.repeat(60_000)).expect(201);

      for (const connection of connections) connection.reset();
      for (;;) {
        const { status } = await request(kask.origin).put(kask.path('large')).send(Buffer.alloc(LARGE));
        if (status === 201) break;
      }
      for (let i = 0; i < 5; i++)
        await request(kask.origin)
          .get(kask.path(`large${i}`))
          .expect(404);
    });

    it('leave nothing counted when they were stored', async () => {
      for (let i = 0; i < 12; i++)
        await request(kask.origin).put(kask.path('large')).send(Buffer.alloc(LARGE, i)).expect(201);
      const all = [0, 1, 2, 3].map((i) =>
        request(kask.origin)
          .put(kask.path(`at-once${i}`))
          .send(Buffer.alloc(LARGE))
          .expect(201),
      );
      await Promise.all(all);
    });
  });
});

it('clients that give up on a cluster that hangs are counted and logged', async () => {
  const cluster = await CassandraCluster.start({ datacenters: { eqiad: 1 } });
  await cluster.createSessionTable('kask');
  const cassandra = { hosts: cluster.contactPoints, local_dc: 'eqiad', keyspace: 'kask' };
  const kask = await KaskProcess.start({ cassandra, shutdown_timeout_ms: 500 });
  await untilReady(kask);
  const [node] = cluster.nodes;
  cluster.freeze(node!);
  const impatient = { signal: AbortSignal.timeout(2_000) };
  const asked = [1, 2, 3, 4, 5].map((i) => fetch(kask.url(`key${i}`), impatient).catch(() => 'gave up'));
  expect(new Set(await Promise.all(asked))).toEqual(new Set(['gave up']));
  await untilCounted(kask, 499, 'GET', 5);
  expect(linesWith(kask, 499)).toHaveLength(5);
  await kask.kill();
  await cluster.stop();
});
