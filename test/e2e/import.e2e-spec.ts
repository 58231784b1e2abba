import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseRedisAddress, type RedisAddress } from '../../src/import/redis-address.js';
import { RedisConnection } from '../../src/import/redis-connection.js';
import { eventually } from '../harness/cassandra/poll.js';
import { type Certificates, createCertificates } from '../harness/certificates.js';
import { freePorts } from '../harness/free-ports.js';
import { KaskProcess } from '../harness/kask.js';
import { MediaWiki } from '../harness/mediawiki.js';
import { RedisServer } from '../harness/redis-server.js';
import { REPOSITORY } from '../harness/repository.js';
import { SealingKeyFiles } from '../harness/sealing-keys.js';
import { openBackend, type SessionBackend } from '../harness/session-backend.js';

jest.setTimeout(180_000);

/** What no output may have in it. */
const SECRET = 'c0ffee';
const PASSWORD = 'correct horse battery staple';
const DAY = 86_400;
/** Of the test wiki. */
const HMAC_KEY = 'a key of the test wiki';

interface Run {
  status: number | null;
  stdout: string;
  stderr: string;
  /** Of the summary, by what it calls them. */
  counts: Record<string, number>;
}

let directory: string;
let redis: RedisServer;
let filler: RedisConnection;
beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'kask-import-'));
  redis = await RedisServer.start();
  filler = await connect(redis);
});
afterAll(async () => {
  filler?.close();
  await redis?.stop();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => filler.ask('FLUSHALL'));

const nameOf = (id: number | string): string => `PHPREDIS_SESSION:${SECRET}${id}`;

async function fill(count: number, ttl = DAY): Promise<void> {
  const ids = Array.from({ length: count }, (_, id) => id);
  await Promise.all(ids.map((id) => filler.ask('SET', nameOf(id), `value ${id}`, 'EX', String(ttl))));
}

function begin(
  settings: Record<string, unknown>,
  args: string[] = [],
  env: Record<string, string> = {},
): KaskProcess {
  const from = args.includes('--from') ? [] : ['--from', redis.url];
  return KaskProcess.spawn(settings, { args: ['import', ...from, ...args], env });
}

async function finish(kask: KaskProcess): Promise<Run> {
  const status = await kask.exited;
  const { stdout, stderr } = kask;
  expect(stdout + stderr).not.toContain(SECRET);
  expect(stdout + stderr).not.toContain(PASSWORD);
  const lines = [...stdout.matchAll(/^ +([\d,]+) {1,3}(.+)$/gm)];
  const counts = Object.fromEntries(
    lines.map(([, count = '', what = '']) => [what, Number(count.replaceAll(',', ''))]),
  );
  return { status, stdout, stderr, counts };
}

const importing = (...given: Parameters<typeof begin>): Promise<Run> => finish(begin(...given));

function embedded(name: string): Record<string, unknown> {
  return { storage: 'embedded', embedded: { path: path.join(directory, name) } };
}

/** Serves with the same settings for as long as something is asked of it. */
async function serving<T>(
  settings: Record<string, unknown>,
  ask: (kask: KaskProcess) => Promise<T>,
): Promise<T> {
  const kask = await KaskProcess.start(settings);
  try {
    return await ask(kask);
  } finally {
    await kask.stop();
  }
}

async function read(kask: KaskProcess, key: string): Promise<{ status: number; value: string; ttl: number }> {
  const answer = await fetch(kask.url(key));
  return { status: answer.status, value: await answer.text(), ttl: Number(answer.headers.get('kask-ttl')) };
}

describe('kask import', () => {
  it('reads and counts with --dry-run, and writes nothing', async () => {
    await fill(1_000);
    const settings = embedded('dry');
    const state = path.join(directory, 'dry.state');
    const { status, stdout, counts } = await importing(settings, ['--dry-run', '--state', state]);
    expect(counts).toEqual({ seen: 1_000, 'would be imported': 1_000 });
    expect(stdout).toMatch(/^ok {4}import: [\d.]+ s, [\d,]+ a second$/m);
    expect(status).toBe(0);
    expect(existsSync(path.join(directory, 'dry'))).toBe(false);
    expect(existsSync(state)).toBe(false);
  });

  it('tells what it leaves out and why, and ends with 1', async () => {
    await fill(10);
    await filler.ask('SET', nameOf('forever'), 'v');
    await filler.ask('SET', nameOf('long'), 'v', 'EX', '63072000');
    await filler.ask('SET', nameOf('large'), 'v'.repeat(2_000), 'EX', '60');
    await filler.ask('SET', nameOf('fits'), 'v'.repeat(1_000), 'EX', '60');
    await filler.ask('SET', nameOf('empty'), '');
    await filler.ask('SET', `${nameOf('1')}_LOCK`, 'pid', 'EX', '60');
    await filler.ask('LPUSH', nameOf('list'), 'v');
    await filler.ask('SET', Buffer.concat([Buffer.from(nameOf('')), Buffer.from([0xff])]), 'v');
    await filler.ask('SET', nameOf('k'.repeat(1_100)), 'v');
    await filler.ask('SET', `another:${SECRET}`, 'v');
    const settings = { ...embedded('odd'), max_value_bytes: 1_000, default_ttl: 600 };
    const { status, counts } = await importing(settings);
    expect(counts).toEqual({
      seen: 19,
      imported: 13,
      'of them had no TTL: default_ttl': 1,
      'of them had a longer TTL: max_ttl': 1,
      'locks and no sessions (_LOCK, :lock)': 1,
      empty: 1,
      'too large (max_value_bytes)': 1,
      'of another type than string': 1,
      'under a key that Kask does not take': 2,
    });
    expect(status).toBe(1);
  });

  it('takes away what names begin with, and puts something else there', async () => {
    await fill(3);
    const args = ['--match', 'PHPREDIS_SESSION:*', '--strip', 'PHPREDIS_SESSION:', '--add', 'php:'];
    const settings = embedded('names');
    expect((await importing(settings, args)).status).toBe(0);
    await serving(settings, async (kask) => {
      expect((await read(kask, `php:${SECRET}2`)).value).toBe('value 2');
      expect((await read(kask, nameOf(2))).status).toBe(404);
    });
  });

  it('seals what it writes where sessions are sealed', async () => {
    await fill(3);
    const key_file = path.join(directory, 'keys');
    new SealingKeyFiles().write(key_file, ['row a', 'value a']);
    const settings = { ...embedded('sealed'), encryption: { key_file } };
    expect((await importing(settings)).status).toBe(0);
    const file = readFileSync(path.join(directory, 'sealed', 'data.mdb'));
    expect(file.includes('value 1')).toBe(false);
    await serving(settings, async (kask) => expect((await read(kask, nameOf(1))).value).toBe('value 1'));
  });

  it('is told of in lines where nobody looks on, and in a bar on a terminal', async () => {
    await fill(2_000);
    const config = path.join(directory, 'bar.yaml');
    writeFileSync(config, JSON.stringify(embedded('bar')));
    const command = `${path.join(REPOSITORY, 'dist/main.js')} import --config ${config} --from ${redis.url} --rate 2000`;
    const { stdout, status } = spawnSync('script', ['-qec', command, '/dev/null'], {
      encoding: 'utf8',
      timeout: 120_000,
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/\r\x1b\[K.*\[#+-+\] +\d+ % {2}[\d,]+ seen, [\d,]+\/s, \d+ s left/);
    expect(stdout).toMatch(/2,000 imported/);
    expect(stdout).not.toContain(SECRET);
    expect((await importing(embedded('lines'))).stdout).not.toContain('\x1b');
  });

  describe('that is ended half-way', () => {
    const state = (): string => path.join(directory, 'state');
    const args = (): string[] => ['--state', state(), '--rate', '2000'];

    const written = () =>
      JSON.parse(readFileSync(state(), 'utf8')) as { cursor: string; counts: { imported: number } };

    async function beginHalf(settings: Record<string, unknown>): Promise<KaskProcess> {
      await fill(8_000);
      const kask = begin(settings, args());
      await eventually(() => {
        if (!kask.isRunning) throw new Error(kask.stdout + kask.stderr);
        return written().cursor === '0' ? Promise.reject(new Error('nothing yet')) : Promise.resolve();
      });
      return kask;
    }

    it('by kill -9 goes on from there, and every session arrives', async () => {
      const settings = embedded('killed');
      const first = await beginHalf(settings);
      await first.kill();
      const before = written();
      expect(before.counts.imported).toBeLessThan(8_000);
      expect(before.counts.imported).toBeGreaterThan(0);
      const { status, stdout, counts } = await importing(settings, args());
      expect(status).toBe(0);
      expect(stdout).toMatch(/^ok {4}state: going on at \d+ %$/m);
      expect(counts.imported).toBeGreaterThanOrEqual(8_000);
      expect(existsSync(state())).toBe(false);
      await serving(settings, async (kask) => {
        const { body } = await fetch(`${kask.origin}/metrics`);
        expect(await new Response(body).text()).toMatch(/^kask_embedded_sessions 8000$/m);
        expect(await read(kask, nameOf(7_999))).toMatchObject({ status: 200, value: 'value 7999' });
      });
    });

    it('by SIGTERM says so, and goes on as well', async () => {
      const settings = embedded('stopped');
      const first = await beginHalf(settings);
      first.signal('SIGTERM');
      const stopped = await finish(first);
      expect(stopped.status).toBe(75);
      expect(stopped.stdout).toMatch(
        /^warn {2}import: told to stop after .+ -> give the same command again$/m,
      );
      expect((await importing(settings, args())).status).toBe(0);
    });

    it('begins anew at a Redis that was started again, where the cursor means nothing', async () => {
      const settings = embedded('again');
      const first = await beginHalf(settings);
      await first.kill();
      const isOfAnother = { status: 64, stderr: expect.stringContaining('with other options') as string };
      expect(await importing(embedded('elsewhere'), ['--state', state()])).toMatchObject(isOfAnother);
      const env = { KASK_IMPORT_HMAC_KEY: 'another' };
      expect(await importing(settings, ['--state', state()], env)).toMatchObject(isOfAnother);
      writeFileSync(state(), JSON.stringify({ ...written(), redis: 'another' }));
      const { status, stdout, counts } = await importing(settings, ['--state', state()]);
      expect(status).toBe(0);
      expect(stdout).toMatch(/^warn {2}state: this Redis was started again, or is another/m);
      expect(counts).toEqual({ seen: 8_000, imported: 8_000 });
    });

    it('does not go on with what another import left', async () => {
      writeFileSync(state(), JSON.stringify({ redis: 'r', of: 'x', cursor: '1', counts: {} }));
      expect(await importing(embedded('other'), args())).toMatchObject({
        status: 64,
        stderr: expect.stringContaining('is of an import with other options'),
      });
      writeFileSync(state(), 'precious');
      expect(await importing(embedded('other'), args())).toMatchObject({
        status: 64,
        stderr: expect.stringContaining('is no state of an import'),
      });
      expect(readFileSync(state(), 'utf8')).toBe('precious');
    });
  });

  describe('cannot begin', () => {
    it('without a Redis', async () => {
      const [port] = await freePorts(1);
      const { status, stdout } = await importing(embedded('away'), ['--from', `redis://127.0.0.1:${port}`]);
      expect(status).toBe(69);
      expect(stdout).toMatch(
        /^fail {2}redis 127\.0\.0\.1:\d+: .*ECONNREFUSED.* -> give the same command again/m,
      );
    });

    it('with what is no Redis', async () => {
      const kask = await KaskProcess.start(embedded('http'));
      const { status, stdout } = await importing(embedded('away'), [
        '--from',
        kask.origin.replace('http', 'redis'),
      ]);
      expect({ status, stdout }).toEqual({ status: 69, stdout: expect.stringContaining('does not speak') });
      await kask.stop();
    });

    it('while a service has the embedded store', async () => {
      await serving(embedded('busy'), async () => {
        const { status, stdout } = await importing(embedded('busy'));
        expect({ status, stdout }).toEqual({
          status: 69,
          stdout: expect.stringContaining('is in use by process'),
        });
      });
    });

    it('with a password where everybody sees it, or a file that is not there', async () => {
      const from = redis.url.replace('//', `//:${SECRET}@`);
      expect(await importing(embedded('usage'), ['--from', from])).toMatchObject({
        status: 64,
        stderr: expect.stringContaining("No password in '--from'"),
      });
      const args = ['--from', 'rediss://localhost', '--ca', '/nowhere'];
      expect(await importing(embedded('usage'), args)).toMatchObject({
        status: 64,
        stderr: expect.stringContaining('--ca names a file that cannot be read (ENOENT)'),
      });
    });
  });

  describe('from a Redis that wants to know who asks', () => {
    let guarded: RedisServer;
    let certificates: Certificates;
    let tlsPort: number;
    const from = (user = ''): string[] => ['--from', `redis://${user}127.0.0.1:${guarded.port}`];

    beforeAll(async () => {
      certificates = createCertificates({ addresses: ['127.0.0.1'] });
      [tlsPort] = (await freePorts(1)) as [number];
      const { ca, serverCertificate, serverKey } = certificates;
      const tls = [
        '--tls-cert-file',
        serverCertificate,
        '--tls-key-file',
        serverKey,
        '--tls-ca-cert-file',
        ca,
      ];
      guarded = await RedisServer.start('--requirepass', PASSWORD, '--tls-port', String(tlsPort), ...tls);
      const operator = await connect(guarded, PASSWORD);
      await operator.ask('SET', nameOf(1), 'value 1');
      const allowed = ['+ping', '+info', '+select', '+scan', '+getrange', '+pttl'];
      await operator.ask('ACL', 'SETUSER', 'reader', 'on', `>${PASSWORD}`, '~*', ...allowed);
      await operator.ask('ACL', 'SETUSER', 'stranger', 'on', `>${PASSWORD}`, '~*', '+ping', '+info', '+scan');
      operator.close();
    });
    afterAll(async () => {
      await guarded?.stop();
      rmSync(certificates.directory, { recursive: true });
    });

    it('is refused without the password, and with another', async () => {
      const none = await importing(embedded('guarded'), from());
      expect(none.stdout).toMatch(/^fail {2}redis .+: NOAUTH .+ -> see KASK_IMPORT_PASSWORD/m);
      const wrong = await importing(embedded('guarded'), from(), { KASK_IMPORT_PASSWORD: 'wrong' });
      expect(wrong.stdout).toMatch(/^fail {2}redis .+: WRONGPASS /m);
      expect([none.status, wrong.status]).toEqual([77, 77]);
    });

    it('is told what a user has no permission for', async () => {
      const { status, stdout } = await importing(embedded('guarded'), from('stranger@'), {
        KASK_IMPORT_PASSWORD: PASSWORD,
      });
      expect(status).toBe(77);
      expect(stdout).toMatch(/NOPERM .*'(?:getrange|pttl)' command -> .*\+getrange/);
    });

    it('has it from the environment or from a file, and a name from the URL', async () => {
      const file = path.join(directory, 'password');
      writeFileSync(file, `${PASSWORD}\n`);
      const either: Record<string, string>[] = [
        { KASK_IMPORT_PASSWORD: PASSWORD },
        { KASK_IMPORT_PASSWORD_FILE: file },
      ];
      for (const env of either)
        for (const user of ['', 'reader@']) {
          const { status, stdout, counts } = await importing(embedded('guarded'), from(user), env);
          expect({ status, counts }).toMatchObject({ status: 0, counts: { imported: 1 } });
          expect(stdout).not.toContain('unknown variable');
        }
    });

    it('speaks TLS, and trusts nobody else', async () => {
      const { ca, clientCertificate, clientKey, strangerCa } = certificates;
      const env = { KASK_IMPORT_PASSWORD: PASSWORD };
      const tls = [
        '--from',
        `rediss://127.0.0.1:${tlsPort}`,
        '--cert',
        clientCertificate,
        '--key',
        clientKey,
      ];
      const trusted = await importing(embedded('guarded'), [...tls, '--ca', ca], env);
      expect(trusted).toMatchObject({ status: 0, counts: { imported: 1 } });
      const distrusted = await importing(embedded('guarded'), [...tls, '--ca', strangerCa], env);
      expect(distrusted.status).toBe(69);
      expect(distrusted.stdout).toMatch(/^fail {2}redis .+certificate/m);
    });
  });

  describe.each(['embedded', 'cassandra'] as const)('into the %s store', (store) => {
    let backend: SessionBackend;
    beforeAll(async () => (backend = await openBackend(store)));
    afterAll(() => backend?.close());

    it('leaves what is there as it is, keeps bytes, and what is left of their time', async () => {
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      await fill(500, 5_000);
      await filler.ask('SET', nameOf('bytes'), bytes, 'PX', '4999001');
      await serving(backend.settings, async (kask) => {
        await fetch(kask.url(nameOf(1)), { method: 'POST', body: 'newer' });
        if (store === 'cassandra') await fetch(kask.url(nameOf(2)), { method: 'DELETE' });
      });
      expect(await importing(backend.settings)).toMatchObject({ status: 0, counts: { imported: 501 } });
      await serving(backend.settings, async (kask) => {
        expect((await read(kask, nameOf(1))).value).toBe('newer');
        if (store === 'cassandra') expect((await read(kask, nameOf(2))).status).toBe(404);
        const { value, ttl } = await read(kask, nameOf(3));
        expect(value).toBe('value 3');
        expect(ttl).toBeLessThanOrEqual(5_000);
        expect(ttl).toBeGreaterThan(4_500);
        const kept = await (await fetch(kask.url(nameOf('bytes')))).arrayBuffer();
        expect(Buffer.from(kept).equals(bytes)).toBe(true);
        await fetch(kask.url(nameOf(3)), { method: 'DELETE' });
        await fetch(kask.url(nameOf(4)), { method: 'PUT', body: 'written after the import' });
      });
      expect((await importing(backend.settings)).status).toBe(0);
      await serving(backend.settings, async (kask) => {
        if (store === 'cassandra') expect((await read(kask, nameOf(3))).status).toBe(404);
        expect((await read(kask, nameOf(4))).value).toBe('written after the import');
      });
    });

    it('creates in atomic namespaces what is not there', async () => {
      const settings = { ...backend.settings, namespaces: { php: { keys: ['atomic:*'], atomic: true } } };
      const args = ['--strip', 'PHPREDIS_SESSION:', '--add', 'atomic:'];
      await fill(20);
      await serving(settings, async (kask) => {
        await fetch(kask.url(`atomic:${SECRET}1`), { method: 'PUT', body: 'newer' });
      });
      expect(await importing(settings, args)).toMatchObject({ status: 0, counts: { imported: 20 } });
      await serving(settings, async (kask) => {
        expect((await read(kask, `atomic:${SECRET}1`)).value).toBe('newer');
        expect((await read(kask, `atomic:${SECRET}2`)).value).toBe('value 2');
      });
    });
  });

  describe('of what MediaWiki keeps in Redis', () => {
    const VALUE =
      'a:2:{s:4:"data";a:2:{s:8:"wsUserID";i:1;s:10:"wsUserName";s:6:"Žofie";}s:8:"metadata";a:0:{}}';
    const SESSION = { data: { wsUserID: 1, wsUserName: base64('Žofie') }, metadata: [] };
    const KEY = `testwiki:MWSession:${SECRET}`;
    let wiki: MediaWiki;
    beforeAll(async () => (wiki = await MediaWiki.install()));
    afterAll(() => wiki?.remove());

    it.each(['PHP', 'JSON'] as const)('is what its client of Kask reads as %s', async (serialization) => {
      await filler.ask('SET', KEY, VALUE, 'EX', '600');
      await filler.ask('SET', `${KEY}:number`, '42', 'EX', '600');
      await filler.ask('SET', `${KEY}:other`, 'user|i:1;', 'EX', '600');
      const values = serialization === 'PHP' ? 'mediawiki-php' : 'mediawiki-json';
      const settings = embedded(values);
      const { status, counts } = await importing(settings, ['--match', 'testwiki:*', '--values', values], {
        KASK_IMPORT_HMAC_KEY: HMAC_KEY,
      });
      expect(counts).toEqual({ seen: 3, imported: 2, 'not to be converted (--values)': 1 });
      expect(status).toBe(1);
      await serving(settings, async (kask) => {
        const client = {
          sessionsUrl: `${kask.origin}${kask.path('')}`,
          writeMethod: 'POST',
          serialization,
        } as const;
        const results = await wiki.callClient(client, [
          ['get', KEY],
          ['get', `${KEY}:number`],
        ]);
        expect(results).toEqual([
          { result: SESSION, error: 0 },
          { result: 42, error: 0 },
        ]);
      });
    });
  });
});

function connect({ url }: RedisServer, password?: string): Promise<RedisConnection> {
  return RedisConnection.open(parseRedisAddress(url) as RedisAddress, { password });
}

function base64(text: string): { base64: string } {
  return { base64: Buffer.from(text).toString('base64') };
}
