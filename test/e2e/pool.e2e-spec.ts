import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import request from 'supertest';
import { KaskProcess } from '../harness/kask.js';
import { metric, untilInFlight } from '../harness/metrics.js';
import { RawConnection, requestBytes } from '../harness/raw-http.js';
import { REPOSITORY } from '../harness/repository.js';

const DEPOOLED = 'depooled: not ready, still serving what comes';

describe('pool and depool', () => {
  let directory: string;
  let kask: KaskProcess;
  beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'kask-pool-'))));
  afterEach(async () => {
    await kask.stop();
    rmSync(directory, { recursive: true });
  });

  const start = async (settings: Record<string, unknown> = {}): Promise<KaskProcess> =>
    (kask = await KaskProcess.start({
      storage: 'embedded',
      embedded: { path: path.join(directory, 'data') },
      depool_file: path.join(directory, 'depooled'),
      ...settings,
    }));

  const command = (name: string) => {
    const run = spawnSync(path.join(REPOSITORY, 'dist/main.js'), [name, '--config', kask.configFile], {
      encoding: 'utf8',
    });
    return { status: run.status, stdout: run.stdout, stderr: run.stderr };
  };

  const pooled = (): Promise<number> => metric(kask, 'kask_pooled');

  it('depools and pools while requests are served', async () => {
    await start();
    await request(kask.origin).get('/healthz/ready').expect(200);
    expect(await pooled()).toBe(1);

    expect(command('depool')).toEqual({ status: 0, stdout: expect.stringContaining('depooled'), stderr: '' });
    await kask.waitForLog(({ msg }) => msg === DEPOOLED);
    const { body } = await request(kask.origin).get('/healthz/ready').expect(503);
    expect(body.error).toEqual({ service: { status: 'down', reason: 'depooled' } });
    await request(kask.origin).get('/healthz/live').expect(200);
    await request(kask.origin).put(kask.path('key')).send('value').expect(201).expect('connection', 'close');
    expect(await pooled()).toBe(0);
    expect(command('depool').status).toBe(0);

    expect(command('pool')).toEqual({ status: 0, stdout: expect.stringContaining('pooled'), stderr: '' });
    await kask.waitForLog(({ msg }) => msg === 'pooled again');
    await request(kask.origin).get('/healthz/ready').expect(200);
    expect(await pooled()).toBe(1);
    expect(command('pool').status).toBe(0);
    const agent = new http.Agent({ keepAlive: true });
    await request(kask.origin)
      .get(kask.path('key'))
      .agent(agent)
      .expect(200)
      .expect('connection', 'keep-alive');
    agent.destroy();
  });

  it('stays depooled over a restart, from its first answer on', async () => {
    await start();
    command('depool');
    await kask.stop();
    await start();
    const { body } = await request(kask.origin).get('/healthz/ready').expect(503);
    expect(body.error.service.reason).toBe('depooled');
    expect(await pooled()).toBe(0);
  });

  it('ends what is in flight, and the connection with its answer', async () => {
    await start();
    const client = await RawConnection.open(kask.origin);
    const whole = requestBytes({ method: 'PUT', target: kask.path('slow'), body: '0123456789' });
    await client.deliver(whole.subarray(0, -5));
    await untilInFlight(kask, 1);
    command('depool');
    await kask.waitForLog(({ msg }) => msg === DEPOOLED);
    client.send(whole.subarray(-5));
    expect((await client.answer()).status).toBe(201);
    await client.untilEnded();
  });

  it('says what is missing', async () => {
    await start({ depool_file: undefined });
    const stderr = "kask: 'depool' needs the setting depool_file\n";
    expect(command('depool')).toEqual({ status: 64, stdout: '', stderr });
    await kask.stop();
    await start({ depool_file: path.join(directory, 'nowhere', 'file') });
    const { status, stderr: reason } = command('depool');
    expect(status).toBe(70);
    expect(reason).toContain('ENOENT');
  });

  it('depools whatever is wrong with the rest of the configuration', async () => {
    await start();
    appendFileSync(kask.configFile, 'max_value_bytes: none\ncassandra: {authentication: {username: kask}}\n');
    expect(command('depool').status).toBe(0);
    await kask.waitForLog(({ msg }) => msg === DEPOOLED);
  });

  it('stays as it is where it cannot look', async () => {
    const place = path.join(directory, 'place');
    mkdirSync(place);
    await start({ depool_file: path.join(place, 'depooled') });
    command('depool');
    await kask.waitForLog(({ msg }) => msg === DEPOOLED);
    renameSync(place, `${place}.away`);
    writeFileSync(place, 'no directory');
    await kask.waitForLog(({ msg, reason }) => msg.startsWith('depool_file cannot') && reason === 'ENOTDIR');
    expect(await pooled()).toBe(0);
    expect(kask.logs().filter(({ level }) => level === 'ERROR')).toHaveLength(1);
  });
});
