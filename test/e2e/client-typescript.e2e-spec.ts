import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import {
  KaskClient,
  type KaskClientOptions,
  KaskConflict,
  type KaskError,
  KaskProtocolError,
  KaskRefused,
  KaskUnavailable,
} from '../../clients/typescript/src/kask-client.js';
import { createCertificates } from '../harness/certificates.js';
import { freePorts } from '../harness/free-ports.js';
import { KaskProcess } from '../harness/kask.js';
import { openBackend, type SessionBackend } from '../harness/session-backend.js';
import { ALL_BYTES } from './http-contract.js';

jest.setTimeout(60_000);

const BASE = '/sessions/v1/';
const TYPES = 'https://www.mediawiki.org/wiki/Kask/errors/';
/** A key that no message, and nothing that is written to a log by inspect(), may have in it. */
const KEY = 'app:session:a-secret/ü';
const TRACES_OF_KEY = /a-secret/;

const clients: KaskClient[] = [];
afterEach(() => {
  clients.splice(0).forEach((client) => client.close());
  jest.restoreAllMocks();
});

function clientOf(origin: string, options: Partial<KaskClientOptions> = {}): KaskClient {
  const client = new KaskClient({ url: origin + BASE, timeoutMs: 10_000, ...options });
  clients.push(client);
  return client;
}

/** What a call failed with, once it was seen to keep the key to itself. */
async function failureOf(call: Promise<unknown>): Promise<KaskError> {
  const error = await call.then(
    (value) => expect(value).toBe('a failure'),
    (error: unknown) => error,
  );
  expect(inspect(error, { depth: Infinity, showHidden: true })).not.toMatch(TRACES_OF_KEY);
  expect(JSON.stringify(error)).not.toMatch(TRACES_OF_KEY);
  return error as KaskError;
}

describe.each(['embedded', 'cassandra'] as const)('kask-client with the service on the store %s', (store) => {
  const MAX_VALUE_BYTES = 10_000;
  let backend: SessionBackend;
  let kask: KaskProcess;
  let client: KaskClient;

  beforeAll(async () => {
    backend = await openBackend(store);
    kask = await KaskProcess.start({
      ...backend.settings,
      default_ttl: 3600,
      max_ttl: 7200,
      max_value_bytes: MAX_VALUE_BYTES,
      namespaces: { carts: { keys: ['cart:*'], atomic: true } },
    });
  });
  afterAll(async () => {
    await kask?.stop();
    await backend?.close();
  });
  beforeEach(() => (client = clientOf(kask.origin)));

  it('stores bytes, reads them and deletes them', async () => {
    const { etag } = await client.set(KEY, ALL_BYTES);
    expect(await client.get(KEY)).toEqual({ value: ALL_BYTES, etag, ttl: expect.any(Number) });
    await client.delete(KEY);
    expect(await client.get(KEY)).toBeUndefined();
    await client.delete(KEY);
  });

  it('stores text as UTF-8', async () => {
    await client.set(KEY, 'naïve');
    expect(await client.get(KEY)).toMatchObject({ value: Buffer.from('naïve') });
  });

  it.each(['..', '.', 'a b+c%2F?d#e', '/', '\u0001', '😀', 'Parser\'s_"broken"_+_(page)_&_grill'])(
    'takes the key %j for itself',
    async (key) => {
      await client.set(key, key);
      expect(await client.get(key)).toMatchObject({ value: Buffer.from(key) });
      await client.delete(key);
    },
  );

  it('takes a URL without the slash at its end', async () => {
    const other = clientOf(kask.origin, { url: new URL(`${kask.origin}${BASE.slice(0, -1)}`) });
    await client.set(KEY, 'value');
    expect(await other.get(KEY)).toMatchObject({ value: Buffer.from('value') });
  });

  it('has no session without a key', async () => {
    await expect(client.get('')).rejects.toThrow(TypeError);
    await expect(client.set('', 'value')).rejects.toThrow(TypeError);
  });

  it('keeps a session for as long as it is told, and says how long that is', async () => {
    await client.set(KEY, 'value', { ttl: 100 });
    const { ttl } = (await client.get(KEY)) ?? {};
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(100);
    await client.set(KEY, 'value');
    expect((await client.get(KEY))?.ttl).toBeGreaterThan(100);
  });

  it('renews a session without its value, and not one that is gone', async () => {
    await client.set(KEY, 'value', { ttl: 100 });
    expect(await client.touch(KEY, { ttl: 5000 })).toBe(true);
    expect(await client.get(KEY)).toMatchObject({ value: Buffer.from('value') });
    expect((await client.get(KEY))?.ttl).toBeGreaterThan(3600);
    expect(await client.touch(KEY)).toBe(true);
    expect((await client.get(KEY))?.ttl).toBeLessThanOrEqual(3600);
    await client.delete(KEY);
    expect(await client.touch(KEY)).toBe(false);
    expect(await client.get(KEY)).toBeUndefined();
  });

  it('creates what is not there yet, once', async () => {
    await client.set('cart:new', 'first', { ifAbsent: true });
    const error = await failureOf(client.set('cart:new', 'second', { ifAbsent: true }));
    expect(error).toBeInstanceOf(KaskConflict);
    expect(await client.get('cart:new')).toMatchObject({ value: Buffer.from('first') });
    await client.delete('cart:new');
    await client.set('cart:new', 'third', { ifAbsent: true });
  });

  it('replaces, renews and deletes only what is as it was read', async () => {
    const { etag: first } = await client.set('cart:1', 'apples');
    const { etag: second } = await client.set('cart:1', 'pears', { ifMatch: first });
    expect((await client.get('cart:1'))?.etag).toBe(second);
    const conflict = expect.objectContaining({ status: 412, problem: 'precondition_failed' });
    for (const call of [
      client.set('cart:1', 'plums', { ifMatch: first }),
      client.touch('cart:1', { ifMatch: first }),
      client.delete('cart:1', { ifMatch: first }),
    ]) {
      const error = await failureOf(call);
      expect(error).toBeInstanceOf(KaskConflict);
      expect(error).toEqual(conflict);
    }
    expect(await client.touch('cart:1', { ifMatch: second, ttl: 50 })).toBe(true);
    await client.delete('cart:1', { ifMatch: second });
    expect(await client.get('cart:1')).toBeUndefined();
  });

  it.each<[string, number, string, () => Promise<unknown>]>([
    [
      'a condition on a key that is not atomic',
      400,
      'not_atomic',
      () => client.set(KEY, 'v', { ifAbsent: true }),
    ],
    ['an expiry that is too far', 400, 'bad_request', () => client.set(KEY, 'v', { ttl: 7201 })],
    ['no value', 400, 'bad_request', () => client.set(KEY, '')],
    ['too large a value', 413, 'too_large', () => client.set(KEY, Buffer.alloc(MAX_VALUE_BYTES + 1))],
    ['too long a key', 400, 'bad_request', () => client.get(KEY.padEnd(1100, 'x'))],
  ])('is refused %s', async (_, status, problem, call) => {
    const error = await failureOf(call());
    expect(error).toBeInstanceOf(KaskRefused);
    expect(error).toMatchObject({ name: 'KaskRefused', status, problem });
    expect(error.message).toContain(`was answered ${status} (${problem}): `);
  });
});

describe.each(['route', 'path'])('kask-client with a wrong URL, and problem_instance: %s', (instance) => {
  let kask: KaskProcess;

  beforeAll(async () => {
    kask = await KaskProcess.start({ storage: 'embedded', problem_instance: instance });
  });
  afterAll(async () => {
    await kask?.stop();
  });

  it.each(['/elsewhere/', '/', `${BASE}shop/`, '/sessions/v2/'])(
    'does not take %s for the path of absent sessions',
    async (path) => {
      const lost = clientOf(kask.origin, { url: kask.origin + path });
      for (const call of [lost.get(KEY), lost.set(KEY, 'value'), lost.delete(KEY), lost.touch(KEY)])
        expect(await failureOf(call)).toBeInstanceOf(KaskProtocolError);
    },
  );

  it('knows an absent session with the right one', async () => {
    const client = clientOf(kask.origin);
    expect(await client.get(KEY)).toBeUndefined();
    expect(await client.touch(KEY)).toBe(false);
  });
});

describe('kask-client with a service that is down', () => {
  it('says so of one that is not there, and goes on with the next that is', async () => {
    const [port] = await freePorts(1);
    const client = clientOf(`http://127.0.0.1:${port}`, { retries: 1 });
    for (const call of [client.get(KEY), client.set(KEY, 'value'), client.delete(KEY), client.touch(KEY)]) {
      const error = await failureOf(call);
      expect(error).toBeInstanceOf(KaskUnavailable);
      expect(error.status).toBeUndefined();
      expect(error).toMatchObject({ outcomeUnknown: false });
      expect(error.message).toMatch(/ECONNREFUSED/);
    }
    const kask = await KaskProcess.start({ storage: 'embedded', listen_port: port });
    await client.set(KEY, 'value');
    expect(await client.get(KEY)).toMatchObject({ value: Buffer.from('value') });
    await kask.stop();
    expect(await failureOf(client.get(KEY))).toBeInstanceOf(KaskUnavailable);
  });

  it('says so of one whose storage is away, and when to try again', async () => {
    const kask = await KaskProcess.start({ cassandra: { hosts: ['sessionstore.invalid'] } });
    const client = clientOf(kask.origin, { retries: 0 });
    for (const call of [client.get(KEY), client.set(KEY, 'value')]) {
      const error = await failureOf(call);
      expect(error).toBeInstanceOf(KaskUnavailable);
      expect(error).toMatchObject({ status: 503, problem: 'unavailable', retryAfterMs: 1000 });
    }
    await kask.stop();
  });
});

describe('kask-client over TLS', () => {
  const certificates = createCertificates({ addresses: ['127.0.0.1'] });
  const ca = readFileSync(certificates.ca);
  const pair = {
    cert: readFileSync(certificates.clientCertificate),
    key: readFileSync(certificates.clientKey),
  };
  let kask: KaskProcess;

  beforeAll(async () => {
    kask = await KaskProcess.start({
      storage: 'embedded',
      tls: {
        cert: certificates.serverCertificate,
        key: certificates.serverKey,
        client_ca: certificates.ca,
        client_auth: 'optional',
      },
      authorization: { clients: { client: { may: ['read', 'write'] } } },
    });
  });
  afterAll(async () => {
    await kask?.stop();
    rmSync(certificates.directory, { recursive: true });
  });

  it('shows its certificate', async () => {
    const client = clientOf(kask.origin, { tls: { ca, ...pair } });
    await client.set(KEY, 'value');
    expect(await client.get(KEY)).toMatchObject({ value: Buffer.from('value') });
    expect(inspect(client, { depth: Infinity, showHidden: true })).not.toMatch(/PRIVATE|Buffer|a-secret/);
  });

  it('is refused what it may not do, and anything without a certificate', async () => {
    const forbidden = await failureOf(clientOf(kask.origin, { tls: { ca, ...pair } }).delete(KEY));
    expect(forbidden).toBeInstanceOf(KaskRefused);
    expect(forbidden).toMatchObject({ status: 403, problem: 'forbidden' });
    const unknown = await failureOf(clientOf(kask.origin, { tls: { ca } }).get(KEY));
    expect(unknown).toBeInstanceOf(KaskRefused);
    expect(unknown).toMatchObject({ status: 401, problem: 'not_authorized' });
  });

  it('tells nothing to a service that it does not trust', async () => {
    const tls = { ca: readFileSync(certificates.strangerCa), ...pair };
    const error = await failureOf(clientOf(kask.origin, { tls, retries: 0 }).set(KEY, 'value'));
    expect(error).toBeInstanceOf(KaskUnavailable);
    expect(error).toMatchObject({ outcomeUnknown: false });
    expect(error.message).toMatch(/certificate/);
  });

  it('takes a key that is encrypted', async () => {
    const encryption = { cipher: 'aes-256-cbc', passphrase: 'open, please' };
    const key = createPrivateKey(pair.key).export({ type: 'pkcs8', format: 'pem', ...encryption });
    const client = clientOf(kask.origin, { tls: { ca, ...pair, key, passphrase: 'open, please' } });
    await client.set(KEY, 'value');
  });

  it('gives up on a handshake that does not end, and stores by the next connection', async () => {
    const { hostname, port } = new URL(kask.origin);
    let connections = 0;
    const front = net.createServer((socket) => {
      socket.unref().on('error', () => undefined);
      if (++connections < 3) return;
      const onward = net.connect(Number(port), hostname).on('error', () => undefined);
      socket.pipe(onward).pipe(socket);
    });
    await once(front.unref().listen(0, '127.0.0.1'), 'listening');
    const origin = `https://127.0.0.1:${(front.address() as AddressInfo).port}`;
    const error = await failureOf(clientOf(origin, { tls: { ca, ...pair }, retries: 0 }).set(KEY, 'value'));
    expect(error).toMatchObject({ name: 'KaskUnavailable', outcomeUnknown: false });
    expect(error.message).toMatch(/no connection/);
    await clientOf(origin, { tls: { ca, ...pair } }).set(KEY, 'value');
    expect(connections).toBeGreaterThanOrEqual(3);
    front.close();
  });

  it('does not send a certificate in clear', () => {
    expect(() => clientOf('http://127.0.0.1:1', { tls: { ca, ...pair } })).toThrow(/https:/);
    expect(() => clientOf('ftp://127.0.0.1:1')).toThrow(TypeError);
  });
});

describe('kask-client with a service that misbehaves', () => {
  let server: Server | undefined;
  let requests: string[];
  let connections: number;

  /** Answers the first request by the first, and so on; the last goes on for all others. */
  const serve = (...answers: RequestListener[]): Promise<string> => serveAt(0, ...answers);

  async function serveAt(port: number, ...answers: RequestListener[]): Promise<string> {
    requests = [];
    connections = 0;
    server = createServer((request, response) => {
      const answer = answers[Math.min(requests.length, answers.length - 1)];
      requests.push(`${request.method} ${request.url}`);
      request.resume().on('end', () => answer?.(request, response));
    });
    server.on('connection', () => connections++);
    await new Promise<void>((resolve) => server?.listen(port, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  const silence: RequestListener = () => undefined;
  const hangUp: RequestListener = (request) => request.socket.destroy();
  const cutOff: RequestListener = (request, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': 10 });
    response.write('half');
    setTimeout(() => request.socket.destroy(), 20);
  };
  const nonsense: RequestListener = (request) =>
    request.socket.end('no HTTP, but a-secret of somebody\r\n\r\n');
  const success: RequestListener = (request, response) => {
    const status = { GET: 200, PUT: 201 }[request.method ?? ''] ?? 204;
    const headers = { 'content-type': 'application/octet-stream', etag: '"e"', 'kask-ttl': '60' };
    response.writeHead(status, headers).end(status === 200 ? 'value' : undefined);
  };
  const says =
    (status: number, problem: string, headers = {}): RequestListener =>
    (_, response) => {
      const document = { type: TYPES + problem, title: 't', detail: 'why', instance: `${BASE}:key` };
      const type = { 'content-type': 'application/problem+json' };
      response.writeHead(status, { ...type, ...headers }).end(JSON.stringify(document));
    };
  const proxySays =
    (status: number, headers = {}): RequestListener =>
    (request, response) =>
      response
        .writeHead(status, { 'content-type': 'text/html', ...headers })
        .end(`<html>${request.url}</html>`);

  const CALLS = {
    get: (client: KaskClient) => client.get(KEY),
    set: (client: KaskClient) => client.set(KEY, 'value'),
    delete: (client: KaskClient) => client.delete(KEY),
    touch: (client: KaskClient) => client.touch(KEY),
    create: (client: KaskClient) => client.set(KEY, 'value', { ifAbsent: true }),
    'compare and set': (client: KaskClient) => client.set(KEY, 'value', { ifMatch: '"e"' }),
    'compare and delete': (client: KaskClient) => client.delete(KEY, { ifMatch: '"e"' }),
    'compare and touch': (client: KaskClient) => client.touch(KEY, { ifMatch: '"e"' }),
  };
  type Call = keyof typeof CALLS;
  const REPEATABLE: Call[] = ['get', 'delete', 'touch'];
  const CONDITIONAL: Call[] = ['create', 'compare and set', 'compare and delete', 'compare and touch'];
  const ONCE: Call[] = ['set', ...CONDITIONAL];

  it('uses one connection for one call after the other', async () => {
    const client = clientOf(await serve(success));
    for (const call of [...REPEATABLE, ...ONCE]) await CALLS[call](client);
    expect(requests).toHaveLength(8);
    expect(connections).toBe(1);
  });

  it.each([...REPEATABLE, ...ONCE])('ends %s when its time is over', async (call) => {
    const client = clientOf(await serve(silence), { timeoutMs: 500 });
    const error = await failureOf(CALLS[call](client));
    expect(error).toBeInstanceOf(KaskUnavailable);
    expect(error.status).toBeUndefined();
    expect(error).toMatchObject({ outcomeUnknown: call !== 'get' });
    expect(requests).toHaveLength(1);
    expect(inspect(client, { depth: Infinity, showHidden: true })).not.toMatch(TRACES_OF_KEY);
  });

  it('ends a call that has a time of its own when that is over', async () => {
    const client = clientOf(await serve(silence), { timeoutMs: 2 ** 30 });
    const timeoutMs = 1_000;
    for (const call of [
      client.get(KEY, { timeoutMs }),
      client.set(KEY, 'value', { timeoutMs }),
      client.touch(KEY, { timeoutMs }),
      client.delete(KEY, { timeoutMs }),
    ])
      expect(await failureOf(call)).toBeInstanceOf(KaskUnavailable);
    expect(requests).toHaveLength(4);
  });

  const passing: [string, RequestListener][] = [
    ['a connection that ends', hangUp],
    ['503', says(503, 'unavailable')],
    ['504', says(504, 'timeout')],
    ['408', says(408, 'request_timeout')],
    ['502 of a proxy', proxySays(502)],
  ];
  it.each(REPEATABLE.flatMap((call) => passing.map(([what, answer]) => [call, what, answer] as const)))(
    'tries %s again after %s',
    async (call, _, answer) => {
      await CALLS[call](clientOf(await serve(answer, answer, success)));
      expect(requests).toHaveLength(3);
    },
  );

  it.each(ONCE)('tries %s again only where nothing can have happened', async (call) => {
    await CALLS[call](clientOf(await serve(says(408, 'request_timeout'), success)));
    expect(requests).toHaveLength(2);
    server?.close();
    for (const answer of [hangUp, says(504, 'timeout'), proxySays(503), says(500, 'server_error')]) {
      const error = await failureOf(CALLS[call](clientOf(await serve(answer, success))));
      expect(error).toBeInstanceOf(KaskUnavailable);
      expect(error).toMatchObject({ outcomeUnknown: true });
      expect(requests).toHaveLength(1);
      server?.close();
    }
  });

  it.each(CONDITIONAL)('tries %s again after a 503 of the service, which did nothing', async (call) => {
    await CALLS[call](clientOf(await serve(says(503, 'unavailable'), success)));
    expect(requests).toHaveLength(2);
  });

  it('does not try set again after a 503, which may hide that it was done', async () => {
    const error = await failureOf(CALLS.set(clientOf(await serve(says(503, 'unavailable'), success))));
    expect(error).toMatchObject({ name: 'KaskUnavailable', status: 503, outcomeUnknown: true });
    expect(requests).toHaveLength(1);
  });

  it.each([...REPEATABLE, ...ONCE])('tries %s again where there was no connection', async (call) => {
    jest.spyOn(Math, 'random').mockReturnValue(0.99);
    const [port = 0] = await freePorts(1);
    const pending = CALLS[call](clientOf(`http://127.0.0.1:${port}`, { retries: 5 }));
    await sleep(50);
    await serveAt(port, success);
    await pending;
    expect(requests).toHaveLength(1);
  });

  it('makes no plain write of one that was meant to depend on a session that was not there', async () => {
    const client = clientOf(await serve(success));
    const session = undefined as { etag: string } | undefined;
    const error = await failureOf(client.set(KEY, 'value', { ifMatch: session?.etag }));
    expect(error).toBeInstanceOf(TypeError);
    expect(requests).toHaveLength(0);
  });

  it('gives up after as many tries as it was told', async () => {
    const client = clientOf(await serve(says(503, 'unavailable')), { retries: 4 });
    expect(await failureOf(client.get(KEY))).toMatchObject({ status: 503, outcomeUnknown: false });
    expect(requests).toHaveLength(5);
  });

  it('waits for as long as the service asks it to, or gives up at once where that is too long', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(0.99);
    const origin = await serve(says(503, 'unavailable', { 'retry-after': '1' }), success);
    const before = performance.now();
    await clientOf(origin).get(KEY);
    // The second, and what keeps those apart who were all told the same.
    expect(performance.now() - before).toBeGreaterThan(1080);
    server?.close();

    const busy = await serve(says(503, 'unavailable', { 'retry-after': '60' }), success);
    expect(await failureOf(clientOf(busy).get(KEY))).toMatchObject({ retryAfterMs: 60_000 });
    expect(requests).toHaveLength(1);
  });

  it.each<[string, number, RequestListener, string]>([
    ['over budget', 429, says(429, 'over_budget', { 'retry-after': '7' }), 'KaskRefused'],
    ['a fault of the service', 500, says(500, 'server_error'), 'KaskUnavailable'],
    [
      'a logout that a datacenter lacks',
      503,
      says(503, 'delete_pending', { 'retry-after': '1' }),
      'KaskUnavailable',
    ],
    ['403 of a proxy', 403, proxySays(403), 'KaskRefused'],
    ['404 of a proxy', 404, proxySays(404), 'KaskProtocolError'],
    ['200 of a proxy', 200, proxySays(200), 'KaskProtocolError'],
    ['a redirect', 302, proxySays(302, { location: '/login' }), 'KaskProtocolError'],
    [
      'no ETag',
      200,
      (_, r) => r.writeHead(200, { 'content-type': 'application/octet-stream' }).end('v'),
      'KaskProtocolError',
    ],
  ])('asks once where it meets %s', async (_, status, answer, name) => {
    const error = await failureOf(clientOf(await serve(answer)).get(KEY));
    expect(error).toMatchObject({ name, status });
    expect(requests).toHaveLength(1);
  });

  it('tells when there is room for more', async () => {
    const origin = await serve(says(429, 'over_budget', { 'retry-after': '7' }));
    expect(await failureOf(clientOf(origin).set(KEY, 'value'))).toMatchObject({
      problem: 'over_budget',
      retryAfterMs: 7000,
    });
  });

  it.each([
    ['ends early', cutOff],
    ['is no HTTP', nonsense],
  ])('does not take an answer for a session that %s', async (_, answer) => {
    const error = await failureOf(clientOf(await serve(answer), { retries: 1 }).get(KEY));
    expect(error).toBeInstanceOf(KaskUnavailable);
    expect(requests).toHaveLength(2);
  });

  it('keeps the key to itself while it asks', async () => {
    const client = clientOf(await serve(silence), { retries: 0 });
    const call = failureOf(client.get(KEY));
    while (requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(inspect(client, { depth: Infinity, showHidden: true })).not.toMatch(TRACES_OF_KEY);
    server?.closeAllConnections();
    await call;
  });
});
