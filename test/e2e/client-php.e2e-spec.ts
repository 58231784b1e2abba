import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { type Certificates, createCertificates } from '../harness/certificates.js';
import { CookieJar } from '../harness/cookie-jar.js';
import { Guardian } from '../harness/guardian.js';
import { textOf } from '../harness/html-form.js';
import { KaskProcess } from '../harness/kask.js';
import { originOf } from '../harness/mediawiki.js';
import { requirePhp, runPhp } from '../harness/php.js';
import { RedisServer } from '../harness/redis-server.js';
import { REPOSITORY } from '../harness/repository.js';
import { requestCounts } from '../harness/request-counts.js';
import { openBackend, type SessionBackend } from '../harness/session-backend.js';

jest.setTimeout(120_000);

const CLIENT = path.join(REPOSITORY, 'clients/php');
const CALLS = path.join(REPOSITORY, 'test/harness/php-session-calls.php');
const PROBLEMS = 'https://www.mediawiki.org/wiki/Kask/errors/';
const ID = 'g1mvh4akca3ajnqr21fb70suul3peqlj';

type Call = [method: string, ...values: string[]];

interface Handler {
  url: string;
  prefix?: string;
  atomic?: boolean;
  timeoutMs?: number;
  ca?: string;
  cert?: string;
  key?: string;
}

beforeAll(requirePhp);

/** Makes calls on one handler and another, all in one PHP. */
async function callEach(...calls: [Handler, ...Call][]): Promise<unknown[]> {
  const handlers = [...new Set(calls.map(([handler]) => handler))];
  const input = {
    clients: handlers.map(({ prefix: _prefix, atomic: _atomic, ...client }) => client),
    handlers: handlers.map(({ prefix = 'app:', atomic = false }, i) => [i, prefix, atomic]),
    calls: calls.map(([handler, method, ...values]) => [handlers.indexOf(handler), method, values]),
  };
  return JSON.parse(await runPhp([CALLS], process.env, JSON.stringify(input))) as unknown[];
}

const call = (handler: Handler, ...calls: Call[]): Promise<unknown[]> =>
  callEach(...calls.map((each): [Handler, ...Call] => [handler, ...each]));

describe('the login of the example', () => {
  const guardian = new Guardian(mkdtempSync(path.join(tmpdir(), 'kask-php-')));
  let data: string;
  let kask: KaskProcess;
  let served: ChildProcess;
  let url: string;

  const start = (port = 0): Promise<KaskProcess> =>
    KaskProcess.start({ storage: 'embedded', embedded: { path: data }, listen_port: port });

  /** A page as a browser gets it that has these cookies. */
  async function open(cookies: CookieJar, form?: Record<string, string>) {
    const answer = await fetch(url, {
      method: form ? 'POST' : 'GET',
      body: form ? new URLSearchParams(form) : null,
      headers: { cookie: cookies.header() },
    });
    cookies.keep(answer);
    const text = textOf(await answer.text());
    return { status: answer.status, text, setsCookie: answer.headers.has('set-cookie') };
  }

  async function logIn(name: string): Promise<CookieJar> {
    const cookies = new CookieJar();
    await open(cookies, { name });
    return cookies;
  }

  const keyOf = (cookies: CookieJar): string => `example:${cookies.get('PHPSESSID')}`;

  const ttlOf = async (key: string): Promise<number> =>
    Number((await fetch(kask.url(key), { method: 'HEAD' })).headers.get('kask-ttl'));

  beforeAll(async () => {
    data = mkdtempSync(path.join(tmpdir(), 'kask-embedded-'));
    kask = await start();
    served = spawn('php', ['-d', 'display_errors=0', '-S', '127.0.0.1:0', `${CLIENT}/example/index.php`], {
      env: { ...process.env, KASK_URL: kask.url('') },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    guardian.watch([served.pid as number]);
    url = await originOf(served);
  });
  afterAll(async () => {
    served?.kill('SIGKILL');
    await kask?.stop();
    await new Guardian(data).finish();
    await guardian.finish();
  });

  it('is remembered until the person logs out, and then for nobody', async () => {
    const cookies = await logIn('Žofie <b>');
    expect((await open(cookies)).text).toContain('You are Žofie <b>.');
    expect(await (await fetch(kask.url(keyOf(cookies)))).text()).toBe('name|s:10:"Žofie <b>";');
    const thief = cookies.copy();
    expect((await open(cookies, { logout: '' })).text).toContain('Log in');
    expect((await open(thief)).text).toContain('Log in');
    expect((await fetch(kask.url(keyOf(cookies)))).status).toBe(404);
  });

  it('lives for gc_maxlifetime, and for as long again when a page was read', async () => {
    const cookies = await logIn('Ada');
    const key = keyOf(cookies);
    expect(await ttlOf(key)).toBeGreaterThan(3_000);
    const value = await (await fetch(kask.url(key))).text();
    await fetch(kask.url(key), { method: 'PUT', body: value, headers: { 'Kask-TTL': '900' } });
    await open(cookies);
    expect(await ttlOf(key)).toBeGreaterThan(3_000);
  });

  it('gives the session another id, and takes none up that a stranger has chosen', async () => {
    const cookies = new CookieJar(new Map([['PHPSESSID', ID]]));
    await open(cookies, { name: 'Ada' });
    expect(cookies.get('PHPSESSID')).toMatch(/^[0-9a-f]{64}$/);
    expect((await fetch(kask.url(`example:${ID}`))).status).toBe(404);
    const before = cookies.get('PHPSESSID');
    await open(cookies, { name: 'Grace' });
    expect(cookies.get('PHPSESSID')).not.toBe(before);
    expect((await fetch(kask.url(`example:${before}`))).status).toBe(404);
  });

  it('costs nothing of a visitor who has no session', async () => {
    const before = await requestCounts(kask);
    expect((await open(new CookieJar())).text).toContain('Log in');
    expect(await requestCounts(kask)).toEqual(before);
  });

  it('goes on from a session that PHP kept in Redis, as the README says', async () => {
    const redis = await RedisServer.start();
    redis.ask('set', `PHPREDIS_SESSION:${ID}`, 'name|s:3:"Ada";', 'EX', '1000');
    const { port } = new URL(kask.origin);
    // The embedded store belongs to one process at a time.
    await kask.stop();
    const config = path.join(data, 'import.yaml');
    writeFileSync(config, stringify({ storage: 'embedded', embedded: { path: data } }));
    const command = /^kask import (.*)$/m.exec(readFileSync(`${CLIENT}/README.md`, 'utf8'))?.[1] ?? '';
    const placed = command.replace('redis://127.0.0.1:6379', redis.url).replace('shop:', 'example:');
    execFileSync(path.join(REPOSITORY, 'dist/main.js'), ['import', '--config', config, ...placed.split(' ')]);
    await redis.stop();
    kask = await start(Number(port));
    const cookies = new CookieJar(new Map([['PHPSESSID', ID]]));
    expect((await open(cookies)).text).toContain('You are Ada.');
  });

  it('outlives an outage, in which nobody is taken for a visitor', async () => {
    const cookies = await logIn('Ada');
    const { port } = new URL(kask.origin);
    await kask.kill();
    expect(await open(cookies)).toEqual({
      status: 503,
      text: 'Your session cannot be reached just now. You are still logged in: please try again.',
      setsCookie: false,
    });
    expect((await open(cookies, { logout: '' })).status).toBe(503);
    kask = await start(Number(port));
    expect((await open(cookies)).text).toContain('You are Ada.');
  });
});

describe.each(['embedded', 'cassandra'] as const)('the handler on the %s store', (store) => {
  let backend: SessionBackend;
  let kask: KaskProcess;
  let plain: Handler;
  let atomic: Handler;
  let other: Handler;

  const get = async (key: string): Promise<string | undefined> => {
    const answer = await fetch(kask.url(key));
    return answer.status === 200 ? answer.text() : undefined;
  };

  /** What a page prints that has opened the session of this id. */
  function runSession(prefix: string, page: string, url = kask.url(''), serializer = 'php'): Promise<string> {
    const script = `require '${CLIENT}/autoload.php';
      $kask = new Kask\\KaskClient($argv[1]);
      (new Kask\\KaskSessionHandler($kask, '${prefix}', atomic: ${prefix === 'cart:'}))->register();
      session_id('${ID}');
      $options = ['use_cookies' => false, 'cache_limiter' => ''];
      session_start($options);
      ${page}`;
    const settings = ['-d', 'display_errors=1', '-d', `session.serialize_handler=${serializer}`];
    return runPhp([...settings, '-r', script, url], process.env);
  }

  beforeAll(async () => {
    const namespaces = { carts: { keys: ['cart:*'], atomic: true } };
    backend = await openBackend(store);
    kask = await KaskProcess.start({ ...backend.settings, namespaces });
    plain = { url: kask.url('') };
    atomic = { url: kask.url(''), prefix: 'cart:', atomic: true };
    other = { ...atomic };
  });
  afterAll(async () => {
    await kask?.stop();
    await backend?.close();
  });

  it('keeps what PHP may write, byte for byte', async () => {
    const value = 'n|s:4:"a\u0000|😀";';
    expect(await call(plain, ['write', ID, value], ['close'], ['read', ID], ['destroy', ID])).toEqual([
      true,
      true,
      value,
      true,
    ]);
    expect(await get(`app:${ID}`)).toBeUndefined();
  });

  it('takes a session that was emptied for one that is not there', async () => {
    expect(await call(plain, ['write', ID, 'a|i:1;'], ['write', ID, ''], ['close'], ['read', ID])).toEqual([
      true,
      true,
      true,
      '',
    ]);
  });

  it('renews only what is there: what was logged out meanwhile stays so', async () => {
    expect(await call(plain, ['updateTimestamp', ID, 'a|i:1;'])).toEqual([true]);
    expect(await get(`app:${ID}`)).toBeUndefined();
  });

  it('tells who writes last that the session is not as it was read', async () => {
    const conflict = { threw: 'Kask\\KaskConflict', status: 412, problem: 'precondition_failed' };
    const results = await callEach(
      [atomic, 'read', ID],
      [other, 'read', ID],
      [atomic, 'write', ID, 'of|s:1:"A";'],
      [other, 'write', ID, 'of|s:1:"B";'],
      [other, 'close'],
      [other, 'read', ID],
      [atomic, 'write', ID, 'of|s:2:"A2";'],
      [other, 'write', ID, 'of|s:1:"B";'],
    );
    expect(results).toMatchObject(['', '', true, conflict, true, 'of|s:1:"A";', true, conflict]);
    expect(await get(`cart:${ID}`)).toBe('of|s:2:"A2";');
  });

  it('does not let a slow page revive a session that was logged out', async () => {
    const results = await callEach(
      [atomic, 'read', ID],
      [other, 'destroy', ID],
      [atomic, 'write', ID, 'of|s:1:"A";'],
    );
    expect(results[2]).toMatchObject({ threw: 'Kask\\KaskConflict' });
    expect(await get(`cart:${ID}`)).toBeUndefined();
  });

  it.each([
    ['changes', `$_SESSION['n']++`],
    ['empties', `$_SESSION = []`],
  ])('has a page that %s a session go on from what another wrote meanwhile', async (_, change) => {
    expect((await call(atomic, ['read', ID], ['write', ID, 'n|i:1;']))[1]).toBe(true);
    const shown = await runSession(
      'cart:',
      `${change};
      $kask->set('cart:${ID}', 'n|i:10;', 60);
      try {
        session_write_close();
      } catch (Kask\\KaskConflict) {
        session_start($options);
        echo 'again ', $_SESSION['n']++;
        session_write_close();
      }`,
    );
    expect(shown).toBe('again 10');
    expect(await get(`cart:${ID}`)).toBe('n|i:11;');
  });

  it('lets nobody go on in a session whose logout a proxy lost', async () => {
    const proxy = createServer((request, response) => {
      const { method, url, headers } = request;
      const asked = httpRequest(kask.origin + url, { method, headers }, (answer) => {
        response.writeHead(method === 'DELETE' ? 502 : (answer.statusCode ?? 0), answer.headers);
        answer.pipe(response);
      });
      request.pipe(asked);
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    const { port } = proxy.address() as AddressInfo;
    await call(plain, ['write', ID, 'n|i:1;']);
    const shown = await runSession(
      'app:',
      `try {
        session_destroy();
      } catch (Kask\\KaskUnavailable) {
        session_id('${ID}');
        session_start($options);
        echo session_id() === '${ID}' ? 'the same' : 'another', count($_SESSION);
        $_SESSION['n'] = 2;
      }`,
      kask.url('').replace(kask.origin, `http://127.0.0.1:${port}`),
    ).finally(() => proxy.close());
    expect(shown).toBe('another0');
    expect(await get(`app:${ID}`)).toBeUndefined();
  });

  it('keeps no empty session of another serializer of PHP', async () => {
    await call(plain, ['write', ID, 'a:1:{s:1:"n";i:1;}']);
    const shown = await runSession('app:', `unset($_SESSION['n']);`, kask.url(''), 'php_serialize');
    expect([shown, await get(`app:${ID}`)]).toEqual(['', undefined]);
  });

  it('says that a namespace is not atomic', async () => {
    const [refused] = await call({ ...plain, atomic: true }, ['write', ID, 'a|i:1;']);
    expect(refused).toMatchObject({ threw: 'Kask\\KaskRefused', status: 400, problem: 'not_atomic' });
  });
});

describe('the handler when things go wrong', () => {
  interface Reply {
    status: number;
    problem?: string;
    detail?: string;
    body?: string;
    headers?: Record<string, string>;
  }
  let server: Server;
  let handler: Handler;
  let replies: (Reply | 'silence' | 'end')[] = [];
  let asked: string[] = [];

  const type = 'application/octet-stream';
  const unavailable: Reply = { status: 503, problem: 'unavailable' };
  const timeout: Reply = { status: 504, problem: 'timeout' };
  const absent: Reply = {
    status: 404,
    problem: 'not_found',
    detail: 'The value you requested was not found',
  };
  const nowhere: Reply = { ...absent, detail: 'There is nothing at this path' };
  const login: Reply = { status: 200, body: '<html>', headers: { 'Content-Type': 'text/html' } };
  const forbidden: Reply = { status: 403, problem: 'forbidden' };
  const found: Reply = {
    status: 200,
    body: 'a|i:1;',
    headers: { 'Content-Type': type, ETag: '"a"', 'Kask-TTL': '9' },
  };
  const stored: Reply = { status: 201, headers: { ETag: '"b"' } };
  const overBudget: Reply = { status: 429, problem: 'over_budget' };
  const without = (reply: Reply, name: string): Reply => ({
    ...reply,
    headers: Object.fromEntries(Object.entries(reply.headers ?? {}).filter(([each]) => each !== name)),
  });
  const after = (seconds: number, reply: Reply): Reply => ({
    ...reply,
    headers: { 'Retry-After': String(seconds) },
  });

  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(String(request.method));
      request.resume();
      const reply = replies.shift();
      if (reply === 'end') request.once('end', () => request.socket.destroy());
      if (reply === undefined || reply === 'silence' || reply === 'end') return;
      const { status, problem, detail, body, headers } = reply;
      const document = JSON.stringify({ type: PROBLEMS + problem, detail });
      response.writeHead(status, headers).end(problem ? document : body);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    handler = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
  });
  afterAll(() => {
    server?.closeAllConnections();
    server?.close();
  });

  const read: Call = ['read', ID];
  const write: Call = ['write', ID, 'a|i:1;'];
  const touch: Call = ['updateTimestamp', ID, 'a|i:1;'];
  const destroy: Call = ['destroy', ID];
  const thrown = (name: string, more: object = {}): unknown =>
    expect.objectContaining({ threw: `Kask\\${name}`, ...more });
  const busy = (seconds: number) => thrown('KaskUnavailable', { retryAfterMs: seconds * 1_000 });
  const refusedFor = (seconds: number) => thrown('KaskRefused', { retryAfterMs: seconds * 1_000 });
  const inDoubt = thrown('KaskUnavailable', { outcomeUnknown: true });

  it.each<[name: string, call: Call, replies: Reply[], result: unknown, asked: string]>([
    ['a read', read, [unavailable, found], 'a|i:1;', 'GET GET'],
    ['a read that came to nothing', read, [timeout, found], 'a|i:1;', 'GET GET'],
    ['a read twice, and no more', read, [timeout, timeout], thrown('KaskUnavailable'), 'GET GET'],
    ['a write that Kask refused, once', write, [unavailable], inDoubt, 'PUT'],
    ['a write that may have been done, once', write, [timeout], inDoubt, 'PUT'],
    ['a write that a proxy lost, once', write, [{ status: 503 }], inDoubt, 'PUT'],
    ['a renewal', touch, [unavailable, { status: 204 }], true, 'PATCH PATCH'],
    ['a renewal twice, and no more', touch, [timeout, timeout], false, 'PATCH PATCH'],
    ['a logout', destroy, [timeout, { status: 204 }], true, 'DELETE DELETE'],
    ['a logout that goes on, once', destroy, [{ status: 503, problem: 'delete_pending' }], true, 'DELETE'],
    ['for what is not there, once', read, [absent], '', 'GET'],
    ['who does not know such a path, once', read, [{ status: 404 }], thrown('KaskProtocolError'), 'GET'],
    ['where nobody keeps sessions, once', read, [nowhere], thrown('KaskProtocolError'), 'GET'],
    ['where nobody takes them, once', write, [absent], thrown('KaskProtocolError'), 'PUT'],
    ['a logout where nobody takes it, once', destroy, [nowhere], thrown('KaskProtocolError'), 'DELETE'],
    ['a renewal where nobody takes it, once', touch, [nowhere], false, 'PATCH'],
    ['who would have it log in, once', read, [login], thrown('KaskProtocolError'), 'GET'],
    ['who sends it elsewhere, once', read, [{ status: 302 }], thrown('KaskProtocolError'), 'GET'],
    ['for what it may not have, once', read, [forbidden], thrown('KaskRefused', { status: 403 }), 'GET'],
    ['what has no tag, once', read, [without(found, 'ETag')], thrown('KaskProtocolError'), 'GET'],
    ['what has no life, once', read, [without(found, 'Kask-TTL')], thrown('KaskProtocolError'), 'GET'],
    ['a write that gets no tag, once', write, [{ status: 201 }], thrown('KaskProtocolError'), 'PUT'],
    ['who is to be asked later than it waits, once', read, [after(30, unavailable)], busy(30), 'GET'],
    ['a write over its budget, once', write, [after(7, overBudget)], refusedFor(7), 'PUT'],
    ['for an id in doubt, which stays', ['validateId', ID], [timeout, timeout], true, 'GET GET'],
    ['not at all for an id that is none', ['validateId', '../../x'], [], false, ''],
  ])('asks %s', async (_, made, given, result, methods) => {
    [replies, asked] = [given, []];
    expect(await call(handler, made)).toEqual([result]);
    expect(asked.join(' ')).toBe(methods);
  });

  it.each<[name: string, data: string, replies: typeof replies, result: unknown, asked: string]>([
    ['to write what Kask refused', 'a|i:2;', [unavailable, stored], true, 'GET PUT PUT'],
    ['to write what a proxy lost, once', 'a|i:2;', [{ status: 503 }], inDoubt, 'GET PUT'],
    ['to write what may be written already, once', 'a|i:2;', [timeout], inDoubt, 'GET PUT'],
    ['to delete what Kask refused', '', [unavailable, { status: 204 }], true, 'GET DELETE DELETE'],
    ['to delete what may be gone already, once', '', [timeout], inDoubt, 'GET DELETE'],
    ['to delete what was not answered, once', '', ['end', { status: 412 }], inDoubt, 'GET DELETE'],
  ])('asks under a condition %s', async (_, data, given, result, methods) => {
    [replies, asked] = [[found, ...given], []];
    const results = await call({ ...handler, atomic: true }, read, ['write', ID, data]);
    expect([results, asked.join(' ')]).toEqual([['a|i:1;', result], methods]);
  });

  it('comes back when Kask says', async () => {
    [replies, asked] = [[after(1, unavailable), found], []];
    const start = Date.now();
    expect(await call({ ...handler, timeoutMs: 60_000 }, read)).toEqual(['a|i:1;']);
    expect(Date.now() - start).toBeGreaterThanOrEqual(1_000);
  });

  it('reads again what it could not delete', async () => {
    [replies, asked] = [[found, timeout, timeout, absent], []];
    const results = await call(handler, read, destroy, read);
    expect([results, asked.join(' ')]).toEqual([['a|i:1;', inDoubt, ''], 'GET DELETE DELETE GET']);
  });

  it.each([
    ['ftp://127.0.0.1/', {}],
    ['127.0.0.1:8080/', {}],
    ['http://127.0.0.1:8080/', { ca: 'ca.pem' }],
    ['HTTP://127.0.0.1:8080/', { cert: 'client.pem' }],
    ['http://127.0.0.1:8080/', { key: 'client.key' }],
  ])('sends nothing to %s with %j', async (url, tls) => {
    await expect(call({ url, ...tls }, read)).rejects.toThrow('ValueError: The URL of Kask');
  });

  it('sends no write whose condition is empty', async () => {
    [replies, asked] = [[stored], []];
    const script = `require '${CLIENT}/autoload.php';
      (new Kask\\KaskClient($argv[1]))->set('app:${ID}', 'a|i:1;', 60, ifMatch: '');`;
    const sent = runPhp(['-r', script, handler.url], process.env);
    await expect(sent).rejects.toThrow('ValueError: If-Match is empty');
    expect(asked).toEqual([]);
  });

  it('leaves what does not answer in time', async () => {
    [replies, asked] = [[found, 'silence'], []];
    const start = Date.now();
    expect(await call({ ...handler, timeoutMs: 500 }, read, write)).toEqual(['a|i:1;', inDoubt]);
    expect(asked).toEqual(['GET', 'PUT']);
    expect(Date.now() - start).toBeLessThan(30_000);
  });

  it('asks a write once when the connection ends without an answer', async () => {
    [replies, asked] = [[found, 'end'], []];
    expect(await call(handler, read, write)).toEqual(['a|i:1;', inDoubt]);
    expect(asked).toEqual(['GET', 'PUT']);
  });

  it('is not in doubt about a write that no connection was made for', async () => {
    const [failure] = await call({ url: 'http://127.0.0.1:1/' }, write);
    expect(failure).toEqual(thrown('KaskUnavailable', { outcomeUnknown: false }));
  });

  it('shows no session id, and nothing of the session, in what PHP writes of it', () => {
    const secret = 'a|s:6:"secret";';
    const script = `require '${CLIENT}/autoload.php';
      $handler = new Kask\\KaskSessionHandler(new Kask\\KaskClient('http://127.0.0.1:1/'), 'app:');
      $handler->write('${ID}', '${secret}');`;
    const shown = ['-d', 'zend.exception_ignore_args=0', '-d', 'zend.exception_string_param_max_len=1000'];
    const { stdout, stderr, status } = spawnSync('php', [...shown, '-d', 'display_errors=1', '-r', script], {
      encoding: 'utf8',
    });
    expect([status, `${stdout}${stderr}`]).toEqual([255, expect.stringContaining('KaskUnavailable')]);
    expect(`${stdout}${stderr}`).not.toMatch(new RegExp(`${ID}|secret`));
  });

  it('shows neither to who looks into it', async () => {
    [replies, asked] = [[{ ...found, body: 'a|s:6:"secret";' }, found], []];
    const script = `require '${CLIENT}/autoload.php';
      $kask = new Kask\\KaskClient($argv[1]);
      $handler = new Kask\\KaskSessionHandler($kask, 'app:');
      echo $handler->read('${ID}');
      var_dump($handler, $kask->get('${ID}'));
      print_r($handler);`;
    const shown = (await runPhp(['-r', script, handler.url], process.env)).replace('a|s:6:"secret";', '');
    expect(shown).toContain('[prefix] => app:');
    expect(shown).not.toMatch(new RegExp(`${ID}|secret|a\\|i:1;`));
  });
});

describe.each(['route', 'path'])('the handler where problems name their %s', (place) => {
  it('logs nobody out whose sessions are at another URL', async () => {
    const kask = await KaskProcess.start({ storage: 'embedded', problem_instance: place });
    const mistaken = [{ url: `${kask.url('')}shop/` }, { url: `${kask.origin}/` }];
    const results = await callEach(
      ...mistaken.flatMap((handler): [Handler, ...Call][] => [
        [handler, 'read', ID],
        [handler, 'destroy', ID],
        [handler, 'updateTimestamp', ID, 'a|i:1;'],
      ]),
      [{ url: kask.url('') }, 'read', ID],
    );
    await kask.stop();
    const wrong = { threw: 'Kask\\KaskProtocolError', status: 404, problem: 'not_found' };
    expect(results).toMatchObject([wrong, wrong, false, wrong, wrong, false, '']);
  });
});

describe('the handler by mutual TLS', () => {
  let certificates: Certificates;
  let kask: KaskProcess;

  beforeAll(async () => {
    certificates = createCertificates({ addresses: ['127.0.0.1'] });
    const { ca, serverCertificate: cert, serverKey: key } = certificates;
    const tls = { cert, key, client_ca: ca, client_auth: 'required' };
    const clients = { client: { may: ['read', 'write', 'delete'], keys: ['app:'] } };
    const authorization = { clients };
    kask = await KaskProcess.start({ storage: 'embedded', tls, authentication: 'required', authorization });
  });
  afterAll(async () => {
    await kask?.stop();
    await new Guardian(certificates.directory).finish();
  });

  it('shows its certificate, and trusts no other authority', async () => {
    const { ca, clientCertificate: cert, clientKey: key, strangerCa } = certificates;
    const known = { url: kask.url(''), ca, cert, key };
    const results = await callEach(
      [known, 'write', ID, 'a|i:1;'],
      [known, 'read', ID],
      [{ ...known, prefix: 'other:' }, 'read', ID],
      [{ url: known.url, ca }, 'read', ID],
      [{ ...known, ca: strangerCa }, 'read', ID],
      [{ url: known.url, cert, key }, 'read', ID],
    );
    const refused = { threw: 'Kask\\KaskRefused', status: 403, problem: 'forbidden' };
    const away = { threw: 'Kask\\KaskUnavailable', status: null };
    expect(results).toMatchObject([true, 'a|i:1;', refused, away, away, away]);
  });
});
