import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import request from 'supertest';
import { createApplication } from './application.js';
import { SettingsSource } from './config/settings-source.js';
import { Settings } from './config/settings.js';
import { createLogger } from './logging.js';
import { SessionStore } from './modules/storage/session-store.js';
import { StorageError } from './modules/storage/storage-error.js';

const MARK = 'MARKEDSESSIONKEY';

/** What no test from outside can bring about: a store that fails in every way there is. */
describe('a store that fails', () => {
  let app: NestFastifyApplication;
  let directory: string;
  let failure: unknown;
  let output = '';

  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'kask-application-'));
    const settings = Object.assign(new Settings(), {
      storage: 'embedded',
      embedded: { path: directory },
      log_level: 'debug',
    });
    const destination = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        output += String(chunk);
        done();
      },
    });
    app = await createApplication(
      settings,
      new SettingsSource('none', {}),
      createLogger(settings, destination),
      { dropped: { stdout: 0, syslog: 0 } },
    );
    const store = app.get(SessionStore);
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- anything may be thrown
    const fail = (): Promise<never> => Promise.reject(failure);
    Object.assign(store, { get: fail, set: fail, delete: fail });
    await app.listen(0, '127.0.0.1');
  });
  beforeEach(() => (output = ''));
  afterAll(async () => {
    await app.close();
    rmSync(directory, { recursive: true });
  });

  const ask = (method: 'get' | 'put' | 'delete') =>
    request(app.getHttpServer())[method](`/v1/${MARK}`).send('value');

  it.each([
    ['with an error that nobody expected', new TypeError(`what is ${MARK}?`)],
    ['with what is no error', MARK],
    ['with nothing', undefined],
    ['with a status of its own', Object.assign(new Error(MARK), { statusCode: 502 })],
  ])('%s: 500, and a log line that tells the place and not the message', async (_, thrown) => {
    failure = thrown;
    const { body, headers } = await ask('get').expect(500);
    expect(headers['content-type']).toBe('application/problem+json');
    expect(body).toEqual({
      type: 'https://www.mediawiki.org/wiki/Kask/errors/server_error',
      title: 'Internal server error',
      detail: 'The server encountered an error with your request',
      instance: '/v1/:key',
    });
    expect(JSON.parse(output)).toMatchObject({
      level: 'ERROR',
      msg: 'session request',
      method: 'GET',
      status: 500,
    });
    expect(output).not.toContain(MARK);
  });

  it('names the place of an error', async () => {
    failure = new TypeError(MARK);
    await ask('put').expect(500);
    expect((JSON.parse(output) as { reason: string }).reason).toMatch(
      /^TypeError\n {4}at .*application\.spec\.ts/,
    );
  });

  it.each([
    ['unavailable', 503, '1'],
    ['timeout', 504, undefined],
    ['too_large', 413, undefined],
    ['delete_pending', 503, '1'],
  ] as const)('because it is %s: %i', async (kind, status, retryAfter) => {
    failure = new StorageError(kind, 'the reason', { cause: new Error(MARK) });
    for (const method of ['get', 'put', 'delete'] as const) {
      output = '';
      const { body, headers } = await ask(method).expect(status);
      expect(headers['retry-after']).toBe(retryAfter);
      expect(body.type).toMatch(new RegExp(`/${kind}$`));
      expect(body.detail).toMatch(/: the reason$/);
      expect(output).not.toContain(MARK);
    }
  });
});
