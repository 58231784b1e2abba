import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import request from 'supertest';
import { KaskProcess, type LogLine } from '../harness/kask.js';
import { REPOSITORY } from '../harness/repository.js';
import { SealingKeyFiles } from '../harness/sealing-keys.js';

/** Stands in every key and every value that these tests send, in a form that no encoding on the way changes. */
const MARK = 'MARKEDSESSIONKEY';
const VALUE = 'MARKEDSESSIONVALUE';

const MAIN = path.join(REPOSITORY, 'dist/main.js');

const STANDARD_FIELDS = ['level', 'time', 'appname', 'msg'];

/** What was logged about a request; the line comes after the answer. */
async function linesAbout(kask: KaskProcess, id: string): Promise<LogLine[]> {
  await kask.waitForLog((line) => line.request_id === id);
  return kask.logs().filter((line) => line.request_id === id);
}

interface Reaction {
  body: string;
  headers: string;
}

describe('logs', () => {
  let directory: string;
  beforeAll(() => (directory = mkdtempSync(path.join(tmpdir(), 'kask-logs-'))));
  afterAll(() => rmSync(directory, { recursive: true }));

  const embedded = (log_level: string, more: object = {}): Promise<KaskProcess> =>
    KaskProcess.start({ storage: 'embedded', embedded: { path: directory }, log_level, ...more });

  describe('at level info', () => {
    let kask: KaskProcess;
    beforeAll(
      async () => (kask = await embedded('info', { service_name: 'sessions', max_value_bytes: 100 })),
    );
    afterAll(() => kask.stop());

    it('are one JSON object a line, with the fields that collectors expect', () => {
      const lines = kask.logs();
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) {
        expect(line).toMatchObject({ appname: 'sessions', level: 'INFO' });
        expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      }
    });

    it('say nothing of requests that succeed, nor of misses', async () => {
      const before = kask.stdout;
      await request(kask.origin).put(kask.path('key')).send(VALUE).expect(201);
      await request(kask.origin).get(kask.path('key')).expect(200);
      await request(kask.origin).delete(kask.path('key')).expect(204);
      await request(kask.origin).get(kask.path('key')).expect(404);
      await request(kask.origin).get('/healthz').expect(200);
      expect(kask.stdout).toBe(before);
    });

    it.each([
      [
        '400',
        'get',
        '%zz',
        undefined,
        400,
        'The key has a percent sign that two hexadecimal digits do not follow',
      ],
      [
        '405',
        'options',
        'key',
        undefined,
        405,
        'OPTIONS is not allowed; GET, HEAD, POST, PUT, PATCH, DELETE are',
      ],
      ['413', 'put', 'key', 'x'.repeat(101), 413, 'The value is larger than 100 bytes'],
    ] as const)(
      'have one warning for a request that is refused with %s',
      async (id, method, rest, body, status, reason) => {
        await request(kask.origin)
          [method](`/sessions/v1/${rest}`)
          .set('X-Request-ID', id)
          .send(body)
          .expect(status);
        expect(await linesAbout(kask, id)).toEqual([
          {
            level: 'WARNING',
            time: expect.any(String),
            appname: 'sessions',
            msg: 'session request',
            request_id: id,
            method: method.toUpperCase(),
            status,
            duration_ms: expect.any(Number),
            reason,
          },
        ]);
      },
    );

    it('have one for a page of another site', async () => {
      const headers = { 'X-Request-ID': 'page', 'Sec-Fetch-Site': 'cross-site' };
      await request(kask.origin).get(kask.path('key')).set(headers).expect(403);
      const reason = 'Sessions are not for the pages of other sites';
      expect(await linesAbout(kask, 'page')).toMatchObject([{ level: 'WARNING', status: 403, reason }]);
    });

    it('name no path of a request that missed base_uri, as it may hold a key', async () => {
      await request(kask.origin).get(`/session/v1/${MARK}`).set('X-Request-ID', 'outside').expect(404);
      expect(await linesAbout(kask, 'outside')).toMatchObject([
        { level: 'WARNING', msg: 'request outside base_uri' },
      ]);
      expect(kask.stdout).not.toContain(MARK);
    });

    it('have no request_id where the request had none', async () => {
      await request(kask.origin).get('/sessions/v1/%41?no-id').expect(400);
      const line = await kask.waitForLog(({ reason }) => reason === 'A query string is not allowed here');
      expect(Object.keys(line)).toEqual([...STANDARD_FIELDS, 'method', 'status', 'duration_ms', 'reason']);
    });

    it('cut a request_id that is none', async () => {
      await request(kask.origin).get('/sessions/v1/%').set('X-Request-ID', 'x'.repeat(5_000)).expect(400);
      expect(await linesAbout(kask, 'x'.repeat(256))).toHaveLength(1);
    });
  });

  function writeSecrets(): Record<string, unknown> {
    const files = {
      key_file: path.join(directory, 'sealing-keys'),
      log_key_file: path.join(directory, 'key'),
    };
    new SealingKeyFiles().write(files.key_file, ['value a', 'row a']);
    writeFileSync(files.log_key_file, 'x'.repeat(32), { mode: 0o600 });
    const encryption = { key_file: files.key_file, read_unencrypted_until: '9999-12-31' };
    return { encryption, log_key_file: files.log_key_file };
  }

  describe('with a secret', () => {
    const secretFile = (): string => path.join(directory, 'log-key');
    const sessionOf = async (kask: KaskProcess, id: string, key: string): Promise<unknown> => {
      await request(kask.origin).put(kask.path(key)).set('X-Request-ID', id).expect(400);
      return (await linesAbout(kask, id))[0]?.session;
    };

    it('name a session by a hash that only who has the secret can compute', async () => {
      writeFileSync(secretFile(), 'x'.repeat(40), { mode: 0o600 });
      const kask = await embedded('info', { log_key_file: secretFile() });
      const session = await sessionOf(kask, 'one', `wiki:${MARK}`);
      expect(session).toMatch(/^[0-9a-f]{4}-[0-9a-f]{16}$/);
      expect(await sessionOf(kask, 'same', `wiki:${MARK}`)).toBe(session);
      expect(await sessionOf(kask, 'other', `wiki:${MARK}2`)).not.toBe(session);
      await request(kask.origin).get('/sessions/v1/%').set('X-Request-ID', 'none').expect(400);
      expect((await linesAbout(kask, 'none'))[0]).not.toHaveProperty('session');

      const config = path.join(directory, 'hash-key.yaml');
      writeFileSync(config, JSON.stringify({ log_key_file: secretFile() }));
      const asked = spawnSync(MAIN, ['--config', config, '--hash-key'], { input: `wiki:${MARK}\n` });
      expect(asked.stdout.toString()).toBe(`${String(session)}\n`);

      writeFileSync(secretFile(), 'y'.repeat(40));
      await kask.waitForLog(({ msg }) => msg === 'log key taken up');
      const after = (await sessionOf(kask, 'after', `wiki:${MARK}`)) as string;
      expect(after.slice(0, 4)).not.toBe(String(session).slice(0, 4));
      writeFileSync(secretFile(), 'too short');
      await kask.waitForLog(({ msg }) => msg === 'the new log key cannot be used: the old one stays');
      expect(await sessionOf(kask, 'still', `wiki:${MARK}`)).toBe(after);
      expect(kask.stdout).not.toContain(MARK);
      await kask.stop();
    }, 60_000);

    it('are needed to compute one', () => {
      const config = path.join(directory, 'no-key.yaml');
      writeFileSync(config, '{}');
      const { status, stderr } = spawnSync(MAIN, ['--config', config, '--hash-key'], { input: MARK });
      expect(status).toBe(64);
      expect(stderr.toString()).toBe("kask: Option '--hash-key' needs the setting log_key_file\n");
    });
  });

  it('have an error for a request that the storage could not serve', async () => {
    const kask = await KaskProcess.start({ cassandra: { hosts: ['127.255.255.1'], local_dc: 'eqiad' } });
    await request(kask.origin).get(kask.path('key')).set('X-Request-ID', 'away').expect(503);
    expect(await linesAbout(kask, 'away')).toMatchObject([
      { level: 'ERROR', msg: 'session request', method: 'GET', status: 503 },
    ]);
    expect(await kask.stop()).toBe(0);
  });

  describe('at level debug', () => {
    it.each([
      ['the embedded store', { storage: 'embedded' }, false],
      ['the embedded store, with secrets', { storage: 'embedded' }, true],
      ['a Cassandra that is away', { storage: 'cassandra', cassandra: { hosts: ['127.255.255.1'] } }, false],
    ])('never show a session key or value, whatever happens, on %s', async (_, storage, hasSecrets) => {
      const secrets = hasSecrets ? writeSecrets() : {};
      const kask = await embedded('debug', {
        ...storage,
        ...secrets,
        max_value_bytes: 1_000,
        default_ttl: 1,
      });
      const reactions = await everyPath(kask);
      const metrics = await request(kask.origin).get('/metrics').expect(200);
      const ready = await request(kask.origin).get('/healthz/ready');
      const about = await request(kask.origin).get('/healthz');
      await new Promise((resolve) => setTimeout(resolve, 2_500)); // the key expires and is swept
      await kask.stop();

      expect(kask.logs().filter((line) => line.msg === 'session request').length).toBeGreaterThan(10);
      for (const output of [kask.stdout, kask.stderr, metrics.text, ready.text, about.text]) {
        expect(output).not.toContain(MARK);
        expect(output).not.toContain(VALUE);
      }
      for (const { body, headers } of reactions) {
        expect(headers).not.toContain(MARK);
        expect(withoutInstance(body)).not.toContain(MARK);
      }
    });
  });
});

/** Every way through the service that a test can force from outside; answers that rightly hold a value are left out. */
async function everyPath(kask: KaskProcess): Promise<Reaction[]> {
  const key = kask.path(`wiki:MWSession:${MARK}`);
  const ask = async (method: string, target: string, body?: string, headers = {}): Promise<Reaction> => {
    const answer = await fetch(kask.origin + target, { method, body, headers });
    const text = await answer.text();
    return { body: answer.ok ? '' : text, headers: JSON.stringify([...answer.headers]) };
  };
  return [
    await ask('POST', key, VALUE),
    await ask('PUT', key, VALUE, { 'content-type': ';;' }),
    await ask('GET', key),
    await ask('HEAD', key),
    await ask('DELETE', key),
    await ask('GET', key),
    await ask('PUT', key, VALUE),
    await ask('PUT', key, ''),
    await ask('PUT', key, VALUE.repeat(100)),
    await ask('PATCH', key),
    await ask('PATCH', key, VALUE),
    await ask('GET', key, undefined, { 'if-match': '"other"' }),
    await ask('PUT', key, VALUE, { 'if-match': '"other"' }),
    await ask('PUT', key, VALUE, { 'kask-ttl': MARK }),
    await ask('OPTIONS', key),
    await ask('GET', `${key}?${MARK}`),
    await ask('GET', `${key}/${MARK}`),
    await ask('GET', `${key}%zz`),
    await ask('GET', `${key}%00`),
    await ask('GET', `${key}%FF`),
    await ask('GET', key + 'x'.repeat(2_000)),
    await ask('GET', `/${MARK}`),
    await ask('GET', `/${MARK}%zz`),
    await ask('GET', `/healthz/${MARK}?${MARK}`),
    await ask('GET', key, undefined, { cookie: MARK, authorization: `Bearer ${MARK}`, 'if-match': MARK }),
    await raw(kask, `PUT ${key} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n${VALUE}`),
    await raw(kask, `GET ${key} HTTP/1.1\r\nHost: x\r\nX-Long: ${MARK.repeat(2_000)}\r\n\r\n`),
    await raw(kask, `GET ${key} HTTP/9.9\r\nHost: x\r\n\r\n`),
    await raw(kask, `${MARK} ${key}\r\n\r\n`),
    await raw(
      kask,
      `PUT ${key} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ${MARK}\r\n${VALUE}\r\n`,
    ),
    await raw(kask, `PURGE ${key} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
  ];
}

/** Sends bytes, and cuts the connection if the service waits for more. */
function raw(kask: KaskProcess, bytes: string): Promise<Reaction> {
  return new Promise((resolve) => {
    const socket = net.connect(Number(new URL(kask.origin).port), '127.0.0.1', () => socket.write(bytes));
    let received = '';
    socket.setTimeout(300, () => socket.destroy());
    socket.on('data', (chunk) => (received += String(chunk)));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      const [headers = '', body = ''] = received.split('\r\n\r\n');
      resolve({ headers, body });
    });
  });
}

/** The one member of a problem that may hold the path of the request. */
function withoutInstance(body: string): string {
  if (!body.startsWith('{')) return body;
  const { instance: _instance, ...rest } = JSON.parse(body) as Record<string, unknown>;
  return JSON.stringify(rest);
}
