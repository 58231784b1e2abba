import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import request from 'supertest';
import {
  sharedCassandra,
  type TestKeyspace,
  uniqueKeyspace,
} from '../harness/cassandra/cluster-of-the-run.js';
import { eventually } from '../harness/cassandra/poll.js';
import { KaskProcess } from '../harness/kask.js';
import { metric } from '../harness/metrics.js';
import { readiness, untilReady } from '../harness/readiness.js';
import { REPOSITORY } from '../harness/repository.js';

jest.setTimeout(120_000);

const SHIFTED_CLOCK = path.join(REPOSITORY, 'test/harness/shifted-clock.cjs');
const PATIENCE_MS = 30_000;

describe('a service whose clock is wrong', () => {
  let directory: string;
  let file: string;
  let keyspace: TestKeyspace;
  let kask: KaskProcess;

  const offset = (): Promise<number> => metric(kask, 'kask_clock_offset_seconds');
  const shift = (ms: number): void => writeFileSync(file, String(ms));
  const status = async (method: 'get' | 'put' | 'delete', key: string): Promise<number> =>
    (
      await request(kask.url(key))
        [method]('')
        .send(method === 'put' ? 'Ada' : undefined)
    ).status;

  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'kask-clocks-'));
    file = path.join(directory, 'shift-ms');
    shift(0);
    keyspace = await uniqueKeyspace();
    const { hosts, port, datacenter } = sharedCassandra();
    kask = await KaskProcess.start(
      { cassandra: { hosts, port, local_dc: datacenter, keyspace: keyspace.name } },
      { env: { NODE_OPTIONS: `--require=${SHIFTED_CLOCK}`, KASK_TEST_CLOCK_SHIFT_FILE: file } },
    );
    await untilReady(kask);
  });
  afterAll(async () => {
    await kask?.stop();
    await keyspace?.drop();
    rmSync(directory, { recursive: true });
  });

  it('knows that it is right', async () => {
    await eventually(async () => expect(Math.abs(await offset())).toBeLessThan(0.09), PATIENCE_MS);
    const { body } = await request(kask.origin).get('/healthz/ready').expect(200);
    expect(body).toMatchObject({ details: { clock: { status: 'up' } } });
  });

  it('warns when it is off by more than a tenth of the limit, and is still ready', async () => {
    shift(-400);
    await kask.waitForLog(({ msg, level }) => level === 'WARNING' && msg.endsWith('ms behind'), PATIENCE_MS);
    expect(await offset()).toBeCloseTo(-0.4, 0);
    expect((await readiness(kask)).status).toBe(200);
  });

  it('is not ready while it is ahead or behind by more than the limit, and is again afterwards', async () => {
    shift(-3_000);
    await eventually(async () => expect((await readiness(kask)).status).toBe(503), PATIENCE_MS);
    const { body } = await request(kask.origin).get('/healthz/ready').expect(503);
    expect(body).toMatchObject({
      info: { service: { status: 'up' }, storage: { status: 'up' } },
      error: {
        clock: {
          status: 'down',
          reason: expect.stringMatching(
            /^the clock is \d+ ms behind of those of the Cassandra nodes; 1000 ms are allowed$/,
          ) as string,
        },
      },
    });
    expect(await offset()).toBeLessThan(-2);
    shift(0);
    await untilReady(kask, PATIENCE_MS);
    await kask.waitForLog(({ msg }) => msg === 'the clock is right again');
  });

  it('reads what it wrote and deletes what it read, whichever way its clock is set', async () => {
    for (const ms of [5_000, -5_000, 0, 60_000, -60_000]) {
      shift(ms);
      expect(await status('put', 'key')).toBe(201);
      expect(await status('get', 'key')).toBe(200);
      expect(await status('delete', 'key')).toBe(204);
      expect(await status('get', 'key')).toBe(404);
    }
    // It gave timestamps that were ahead, and goes on from there.
    shift(0);
    await eventually(async () => expect((await readiness(kask)).status).toBe(503), PATIENCE_MS);
    expect(await offset()).toBeGreaterThan(10);
  });
});
