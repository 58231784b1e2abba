import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import request from 'supertest';
import { KaskProcess } from '../harness/kask.js';

describe('a service whose log cannot be written', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'kask-log-output-'))));
  afterEach(() => rmSync(directory, { recursive: true }));

  it.each([
    ['the disk is full', 'exec "$@" > /dev/full'],
    ['the reader is gone', 'mkfifo log; head -n 1 < log > /dev/null & exec "$@" > log'],
  ])('serves, and ends with 0 when told to: %s', async (_, command) => {
    const port = await freePort();
    const kask = KaskProcess.spawn(
      { storage: 'embedded', embedded: { path: directory }, listen_port: port },
      { under: ['sh', '-c', command, 'sh'] },
    );
    kask.origin = `http://127.0.0.1:${port}`;
    await listens(kask);
    await request(kask.origin).get('/sessions/v1/%').expect(400); // a line each
    await request(kask.origin).get('/sessions/v1/%').expect(400);
    await request(kask.origin).put(kask.path('key')).send('value').expect(201);
    kask.signal('SIGTERM');
    expect(await Promise.race([kask.exited, sleep(10_000, 'still running', { ref: false })])).toBe(0);
    expect(kask.stderr).toBe('');
  });
});

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listens(kask: KaskProcess): Promise<void> {
  const gone = kask.exited.then((code) => {
    throw new Error(`ended with ${code}: ${kask.stderr}`);
  });
  const answers = async (): Promise<void> => {
    while (!(await fetch(`${kask.origin}/healthz`).catch(() => undefined))) await sleep(50);
  };
  await Promise.race([answers(), gone]);
  gone.catch(() => undefined);
}
