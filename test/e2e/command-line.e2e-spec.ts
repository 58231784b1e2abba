import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import request from 'supertest';
import { parse } from 'yaml';
import { KaskProcess } from '../harness/kask.js';

const MAIN = path.resolve(__dirname, '../../dist/main.js');

/** What a deployment of the service before this one has: a host that does not answer, a document that is not there. */
const OLD_FILE = {
  base_uri: '/sessions/v1',
  cassandra: {
    authentication: { password: 'cassandra', username: 'cassandra' },
    hosts: ['sessionstore.invalid'],
    keyspace: 'sessions',
    table: 'values',
  },
  default_ttl: 86400,
  openapi_spec: '/nowhere/openapi.yaml',
  service_name: 'sessions',
};

function kask(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(MAIN, args, {
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}

describe('the command line', () => {
  let directory: string;
  let file: string;
  beforeAll(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'kask-cli-'));
    file = path.join(directory, 'config.yaml');
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('tells its version', () => {
    const { status, stdout } = kask('--version');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^kask \d+\.\d+\.\d+ \(node v\d+/);
  });

  it('tells how it is used', () => {
    const { status, stdout } = kask('--help');
    expect(status).toBe(0);
    for (const option of ['--config', '--check-config', '--version', '--help', '/etc/kask/config.yaml']) {
      expect(stdout).toContain(option);
    }
  });

  it('refuses an option that it does not know with 64', () => {
    const { status, stdout, stderr } = kask('--confg', file);
    expect({ status, stdout }).toEqual({ status: 64, stdout: '' });
    expect(stderr).toContain('--config');
  });

  it('refuses a configuration with 78 and every fault in one message, before it listens', () => {
    writeFileSync(
      file,
      'listen_port: 99999\ndefault_ttl: -1\ncassandra:\n  hosts: []\n  port: abc\n  authentication: {password: MARKED}\n',
    );
    const { status, stdout, stderr } = kask('--config', file);
    expect({ status, stdout }).toEqual({ status: 78, stdout: '' });
    for (const fault of [
      'listen_port',
      'default_ttl',
      'cassandra.hosts',
      'cassandra.port',
      'cassandra.authentication',
    ]) {
      expect(stderr).toContain(fault);
    }
    expect(stderr).toContain('99999');
    expect(stderr).toContain('a whole number from 1 to 65535');
    expect(stderr).not.toContain('MARKED');
  });

  it('refuses a file that is not there with 78', () => {
    const { status, stderr } = kask('--config', path.join(directory, 'absent.yaml'));
    expect(status).toBe(78);
    expect(stderr).toContain('absent.yaml');
  });

  it('checks a configuration and shows what would be used, secrets hidden', () => {
    writeFileSync(file, JSON.stringify({ ...OLD_FILE, listn_port: 1 }));
    const { status, stdout } = kask('--config', file, '--check-config');
    expect(status).toBe(0);
    expect(stdout).toContain('listen_port'); // the likely spelling
    expect(parse(stdout)).toMatchObject({
      base_uri: '/sessions/v1/',
      storage: 'cassandra',
      cassandra: { authentication: { username: 'cassandra', password: '(hidden)' }, query_timeout_ms: 12000 },
    });
  });

  it('starts from a file of old: not ready, 503, our own document for one that is not there', async () => {
    const service = await KaskProcess.start(OLD_FILE);
    expect(service.logs()).toContainEqual(
      expect.objectContaining({ level: 'WARNING', msg: expect.stringContaining('/nowhere/openapi.yaml') }),
    );
    await request(service.origin).get('/healthz').expect(200);
    await request(service.origin).get('/healthz/live').expect(200);
    await request(service.origin).get('/healthz/ready').expect(503);
    await request(service.origin).get('/sessions/v1/key').expect(503);
    const document = await fetch(`${service.origin}/openapi`);
    expect(document.headers.get('content-type')).toBe('application/x-yaml');
    expect(parse(await document.text())).toHaveProperty(['paths', '/sessions/v1/{key}']);
    expect(await service.stop()).toBe(0);
  });

  it('takes settings from the environment over those of the file', async () => {
    const service = await KaskProcess.start(
      { storage: 'cassandra' },
      {
        env: {
          KASK_STORAGE: 'embedded',
          KASK_EMBEDDED_PATH: path.join(directory, 'data'),
          KASK_BASE_URI: '/other',
        },
      },
    );
    await request(service.origin).put('/other/key').send('value').expect(201);
    await service.stop();
  });

  it('says in one line that its port is taken', async () => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as net.AddressInfo;
    const service = KaskProcess.spawn({
      storage: 'embedded',
      embedded: { path: path.join(directory, 'data') },
      listen_port: port,
    });
    expect(await service.exited).toBe(70);
    expect(service.stderr).toBe(`kask: listen EADDRINUSE: address already in use 127.0.0.1:${port}\n`);
    taken.close();
  });
});
