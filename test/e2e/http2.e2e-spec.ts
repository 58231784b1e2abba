import { readFileSync, rmSync } from 'node:fs';
import http2, { type ClientHttp2Session, constants, type IncomingHttpHeaders } from 'node:http2';
import https from 'node:https';
import type { SocketConstructorOpts } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { createCertificates } from '../harness/certificates.js';
import { KaskProcess } from '../harness/kask.js';
import { entityTag, hundreds } from './http-contract.js';

jest.setTimeout(60_000);

const BASE = '/sessions/v1/';
const MAX_VALUE_BYTES = 1_000_000;
const ALWAYS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
const MISS = 'The value you requested was not found';

const certificates = createCertificates({ addresses: ['127.0.0.1'] });
const ca = readFileSync(certificates.ca);
let kask: KaskProcess;
let session: ClientHttp2Session;

const start = (settings: Record<string, unknown> = {}): Promise<KaskProcess> => {
  const tls = { cert: certificates.serverCertificate, key: certificates.serverKey };
  return KaskProcess.start({
    storage: 'embedded',
    problem_instance: 'path',
    tls,
    max_value_bytes: MAX_VALUE_BYTES,
    ...settings,
  });
};

const connectTo = (service: KaskProcess): ClientHttp2Session =>
  http2.connect(service.origin, { ca }).on('error', () => undefined);

beforeAll(async () => (kask = await start()));
beforeEach(() => (session = connectTo(kask)));
afterEach(() => session.destroy());
afterAll(async () => {
  await kask?.stop();
  rmSync(certificates.directory, { recursive: true });
});

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
  /** The error code of a stream that was reset (RFC 9113 section 7). */
  code: number;
}

interface Request {
  method?: string;
  target: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** Status 0 is a stream that ended without an answer. */
function ask({ method = 'GET', target, headers = {}, body }: Request, on = session): Promise<Answer> {
  const stream = on.request(
    { ':method': method, ':path': target, ...headers },
    { endStream: body === undefined },
  );
  const answer: Answer = { status: 0, headers: {}, body: '', code: 0 };
  stream.on('response', ({ ':status': status = 0, ...others }) => {
    answer.status = status;
    answer.headers = others;
  });
  stream.on('data', (bytes: Buffer) => (answer.body += bytes.toString('latin1')));
  stream.on('error', () => undefined);
  if (body !== undefined) stream.end(body);
  return new Promise((resolve) => {
    stream.on('close', () => resolve({ ...answer, code: stream.rstCode }));
  });
}

const put = (key: string, body: string | Buffer): Promise<Answer> =>
  ask({ method: 'PUT', target: BASE + key, body });

/** With a problem's document parsed, and the date left out. */
function told({ status, headers, body }: Answer): unknown {
  const { date, ...others } = headers;
  expect(date).toBeDefined();
  const isProblem = headers['content-type'] === 'application/problem+json' && body !== '';
  return {
    status,
    headers: Object.fromEntries(
      Object.entries(others).map(([name, text]) => [
        name,
        name === 'kask-ttl' ? hundreds(String(text)) : text,
      ]),
    ),
    body: isProblem ? (JSON.parse(body) as unknown) : body,
  };
}

function problem(status: number, name: string, title: string, detail: string, instance: string): unknown {
  const body = { type: `https://www.mediawiki.org/wiki/Kask/errors/${name}`, title, detail, instance };
  const length = Buffer.byteLength(`${JSON.stringify(body)}\n`);
  return {
    status,
    headers: { ...ALWAYS, 'content-type': 'application/problem+json', 'content-length': String(length) },
    body,
  };
}

const missing = (key: string): unknown => problem(404, 'not_found', 'Not found', MISS, BASE + key);

function value(body: string): unknown {
  const headers = {
    ...ALWAYS,
    'content-type': 'application/octet-stream',
    'content-length': String(body.length),
    etag: entityTag(body),
    'kask-ttl': '86400',
  };
  return { status: 200, headers, body };
}

async function metric(name: string): Promise<number> {
  const { body } = await ask({ target: '/metrics' });
  return Number(
    body
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length),
  );
}

async function untilInFlight(requests: number): Promise<void> {
  while ((await metric('kask_http_requests_in_flight')) !== requests) await sleep(20);
}

describe('the table of the contract', () => {
  it.each(['PUT', 'POST'])('stores with %s, reads and deletes', async (method) => {
    const target = `${BASE}contract%2F${method}`;
    expect(told(await ask({ target }))).toEqual(missing(`contract%2F${method}`));
    expect(told(await ask({ method, target, body: 'Ada' }))).toEqual({
      status: 201,
      headers: { ...ALWAYS, 'content-length': '0', etag: entityTag('Ada') },
      body: '',
    });
    expect(told(await ask({ target }))).toEqual(value('Ada'));
    expect(told(await ask({ method: 'HEAD', target }))).toEqual({ ...(value('Ada') as object), body: '' });
    const about = { ...ALWAYS, etag: entityTag('Ada'), 'kask-ttl': '86400' };
    const known = { 'if-none-match': entityTag('Ada') };
    expect(told(await ask({ target, headers: known }))).toEqual({ status: 304, headers: about, body: '' });
    expect(told(await ask({ method: 'PATCH', target }))).toEqual({ status: 204, headers: about, body: '' });
    expect((await ask({ method: 'PATCH', target, body: '' })).status).toBe(204);
    expect((await ask({ method: 'PATCH', target, body: 'Eve' })).status).toBe(415);
    for (let i = 0; i < 2; i++)
      expect(told(await ask({ method: 'DELETE', target }))).toEqual({
        status: 204,
        headers: ALWAYS,
        body: '',
      });
    expect((await ask({ method: 'HEAD', target })).status).toBe(404);
  });

  it.each([
    [{ target: `${BASE}key?a=b` }, 400],
    [{ target: `${BASE}%zz` }, 400],
    [{ target: BASE }, 404],
    [{ target: `${BASE}a/b` }, 404],
    [{ target: '/nothing' }, 404],
    [{ target: '/nothing', method: 'PUT', body: 'x' }, 404],
    [{ target: `${BASE}key`, method: 'OPTIONS', body: 'x' }, 405],
    [{ target: `${BASE}key`, method: 'PUT', body: '' }, 400],
    [{ target: `${BASE}key`, method: 'POST' }, 400],
    [{ target: `${BASE}key`, method: 'DELETE', body: 'x'.repeat(100) }, 204],
    [{ target: '/healthz', method: 'POST', body: 'x' }, 405],
    [{ target: '/healthz' }, 200],
    [{ target: '/healthz/live' }, 200],
    [{ target: '/healthz/ready' }, 200],
    [{ target: '/metrics' }, 200],
    [{ target: '/openapi' }, 200],
    [{ target: '/openapi', method: 'HEAD' }, 200],
    [{ target: '/nothing', method: 'HEAD' }, 404],
  ])('answers %j with %i', async (request, status) => {
    const answer = await ask(request);
    expect([answer.status, answer.code]).toEqual([status, constants.NGHTTP2_NO_ERROR]);
    expect(answer.headers).toMatchObject({ 'x-content-type-options': 'nosniff' });
  });

  it.each([1, 16_384, 16_385, 65_536, MAX_VALUE_BYTES])('keeps %i bytes', async (size) => {
    const bytes = Buffer.alloc(size, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
    expect((await put('sized', bytes)).status).toBe(201);
    const { body } = await ask({ target: `${BASE}sized` });
    expect(Buffer.from(body, 'latin1').equals(bytes)).toBe(true);
  });

  it.each<Record<string, string>>([{}, { 'content-length': String(2 * MAX_VALUE_BYTES) }])(
    'refuses a value that is too large, and ends its stream alone: %j',
    async (headers) => {
      const body = Buffer.alloc(2 * MAX_VALUE_BYTES);
      const answer = await ask({ method: 'PUT', target: `${BASE}too-large`, headers, body });
      const detail = `The value is larger than ${MAX_VALUE_BYTES} bytes`;
      expect(told(answer)).toEqual(
        problem(413, 'too_large', 'Content too large', detail, `${BASE}too-large`),
      );
      expect(told(await ask({ target: `${BASE}too-large` }))).toEqual(missing('too-large'));
    },
  );

  it('asks for a value that waits to be asked for, if it will take it', async () => {
    const expecting = (target: string): Promise<string> => {
      const stream = session.request({ ':method': 'PUT', ':path': target, expect: '100-continue' });
      stream.on('error', () => undefined);
      return new Promise((resolve) => {
        stream.on('continue', () => stream.end('value'));
        stream.on('response', (headers) => resolve(`${headers[':status']}`));
      });
    };
    expect(await expecting(`${BASE}expected`)).toBe('201');
    expect(await expecting(`${BASE}%zz`)).toBe('400');
    expect(told(await ask({ target: `${BASE}expected` }))).toEqual(value('value'));
  });

  it('refuses a Host that is not the authority', async () => {
    const headers = { ':authority': 'kask.test', Host: 'other.test' };
    expect((await ask({ target: `${BASE}key`, headers })).status).toBe(400);
  });

  it('counts what the client saw, and no method that HTTP does not know', async () => {
    const fresh = await start();
    const own = connectTo(fresh);
    const seen: string[] = [];
    for (const method of ['PUT', 'GET', 'HEAD', 'DELETE', 'GET', 'PATCH', 'OPTIONS']) {
      const body = method === 'PUT' ? 'x' : undefined;
      const { status } = await ask({ method, target: `${BASE}counted`, body }, own);
      seen.push(`code="${status}",method="${method}"} 1`);
    }
    for (const method of ['BOGUS', 'get', 'X'.repeat(1_000)])
      expect((await ask({ method, target: `${BASE}counted` }, own)).status).toBe(0);
    const { body } = await ask({ target: '/metrics' }, own);
    const counted = [...body.matchAll(/^http_requests_total\{(.* [1-9]\d*)$/gm)].map(([, labels]) => labels);
    expect(counted.sort()).toEqual(seen.sort());
    own.destroy();
    await fresh.stop();
  });
});

describe('HTTP/1.1', () => {
  it('is spoken with who offers nothing else, on the same port', async () => {
    const protocols: [string[] | undefined, string | false][] = [
      [['h2', 'http/1.1'], 'h2'],
      [['http/1.1'], 'http/1.1'],
      [undefined, false],
    ];
    for (const [ALPNProtocols, agreed] of protocols) {
      const socket = await secured(ALPNProtocols);
      expect(socket.alpnProtocol).toBe(agreed);
      socket.destroy();
    }
    const status = await new Promise((resolve) => {
      https.get(`${kask.origin}/healthz`, { ca, agent: false }, (answer) => resolve(answer.statusCode));
    });
    expect(status).toBe(200);
    await expect(secured(['spdy/3'])).rejects.toThrow();
  });
});

describe('requests on one connection', () => {
  it('do not wait for each other', async () => {
    const upload = session.request({ ':method': 'PUT', ':path': `${BASE}slow` });
    upload.write('half of ');
    await untilInFlight(1);
    const others = await Promise.all(
      Array.from({ length: 90 }, async (_, i) => [
        (await put(`many${i}`, `value ${i}`)).status,
        (await ask({ target: `${BASE}many${i}` })).body,
      ]),
    );
    expect(others).toEqual(Array.from({ length: 90 }, (_, i) => [201, `value ${i}`]));
    upload.end('it');
    await new Promise((resolve) => upload.on('response', resolve));
    expect(told(await ask({ target: `${BASE}slow` }))).toEqual(value('half of it'));
  });

  it.each([
    ['NO_ERROR', constants.NGHTTP2_NO_ERROR],
    ['CANCEL', constants.NGHTTP2_CANCEL],
    ['INTERNAL_ERROR', constants.NGHTTP2_INTERNAL_ERROR],
  ])('store nothing when they are given up half way with %s', async (_, code) => {
    await put('halved', 'as before');
    for (const key of ['halved', 'never-whole']) {
      const raw = await RawSession.open();
      raw.request('PUT', BASE + key, { isWhole: false });
      raw.frame(FRAME.DATA, 0, 1, Buffer.from('half of it'));
      await untilInFlight(1);
      raw.frame(FRAME.RST_STREAM, 0, 1, uint32(code));
      await untilInFlight(0);
      raw.close();
    }
    expect(told(await ask({ target: `${BASE}halved` }))).toEqual(value('as before'));
    expect(told(await ask({ target: `${BASE}never-whole` }))).toEqual(missing('never-whole'));
  });

  it('store nothing when their connection dies', async () => {
    const raw = await RawSession.open();
    for (const id of [1, 3, 5]) {
      raw.request('PUT', `${BASE}dead${id}`, { isWhole: false, id });
      raw.frame(FRAME.DATA, 0, id, Buffer.from('half of it'));
    }
    await untilInFlight(3);
    raw.close();
    await untilInFlight(0);
    for (const id of [1, 3, 5]) expect((await ask({ target: `${BASE}dead${id}` })).status).toBe(404);
  });

  it('store nothing of a body that is shorter or longer than it says', async () => {
    for (const length of ['5', '100']) {
      const headers = { 'content-length': length };
      const put = { method: 'PUT', target: `${BASE}misjudged`, headers, body: 'half of it' };
      // Node 24 ends the connection of a client that sends more than it said, and not the stream alone.
      const own = connectTo(kask);
      const answer = await ask(put, own);
      expect([0, 400]).toContain(answer.status);
      own.destroy();
    }
    await untilInFlight(0);
    expect(told(await ask({ target: `${BASE}misjudged` }))).toEqual(missing('misjudged'));
  });
});

describe('a shutdown', () => {
  it('answers all that was asked, and lets clients go elsewhere', async () => {
    const leaving = await start({ shutdown_delay_ms: 1_000 });
    const sessions = Array.from({ length: 4 }, () => connectTo(leaving));
    let requests = 0;
    const failures: string[] = [];
    const load = sessions.flatMap((own, i) =>
      Array.from({ length: 8 }, async (_, j) => {
        while (!own.closed && own.remoteSettings.maxConcurrentStreams !== 0) {
          const target = `${BASE}load${i}:${j}`;
          const put = await ask({ method: 'PUT', target, body: 'x' }, own).catch(() => undefined);
          if (put && put.code !== constants.NGHTTP2_REFUSED_STREAM && ++requests && put.status !== 201)
            failures.push(`${put.status} ${put.code}`);
        }
      }),
    );
    const upload = sessions[0]!.request({ ':method': 'PUT', ':path': `${BASE}slow` });
    const answered = new Promise((resolve) => upload.on('response', (head) => resolve(head[':status'])));
    upload.write('half of ');
    await sleep(1_000);
    leaving.signal('SIGTERM');
    await Promise.all(load);
    await sleep(1_500);
    upload.end('it');
    expect(await answered).toBe(201);
    expect(await leaving.exited).toBe(0);
    console.log(`drain of HTTP/2: ${requests} requests, ${failures.length} failures`);
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(100);
  });

  it('does not wait for sessions that are idle', async () => {
    const leaving = await start({ shutdown_timeout_ms: 30_000 });
    const [kept, silent] = [connectTo(leaving), connectTo(leaving)];
    expect((await ask({ target: '/healthz' }, kept)).status).toBe(200);
    const bare = await RawSession.open(leaving);
    leaving.signal('SIGTERM');
    expect(await Promise.race([leaving.exited, sleep(10_000, 'still running', { ref: false })])).toBe(0);
    for (const each of [kept, silent, bare]) each.close();
  });
});

it('a client that leaves and does not close its connection holds neither a place nor a shutdown', async () => {
  const management = { listen_address: '127.0.0.1', listen_port: 0 };
  const service = await start({ limits: { connections: 8 }, shutdown_timeout_ms: 30_000, management });
  const left: RawSession[] = [];
  for (let i = 0; i < 20; i++) {
    const raw = await RawSession.open(service, { allowHalfOpen: true });
    raw.frame(FRAME.GOAWAY, 0, 0, Buffer.alloc(8));
    left.push(raw);
    await sleep(20);
  }
  const text = await (await fetch(`${service.management}/metrics`)).text();
  // Beside those on the first port there is ours.
  expect(Number(/^kask_http_connections (\d+)$/m.exec(text)?.[1])).toBeLessThanOrEqual(9);
  service.signal('SIGTERM');
  expect(await Promise.race([service.exited, sleep(10_000, 'still running', { ref: false })])).toBe(0);
  left.forEach((each) => each.close());
});

describe('a peer that floods', () => {
  const COUNT = 20_000;

  it.each<[string, (raw: RawSession, i: number) => void]>([
    [
      'streams that it resets at once',
      (raw, i) => raw.request('GET', `${BASE}x`, { id: 2 * i + 1 }).reset(2 * i + 1),
    ],
    ['PING', (raw) => raw.frame(FRAME.PING, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', (raw) => raw.frame(FRAME.SETTINGS, 0, 0, Buffer.alloc(0))],
    ['PRIORITY', (raw, i) => raw.frame(FRAME.PRIORITY, 0, 2 * i + 1, Buffer.from([0, 0, 0, 0, 16]))],
    [
      'CONTINUATION without end',
      (raw, i) =>
        i === 0
          ? raw.frame(FRAME.HEADERS, 0, 1, raw.head('GET', `${BASE}x`))
          : raw.frame(FRAME.CONTINUATION, 0, 1, literal(`x-${i}`, 'y'.repeat(100))),
    ],
    [
      'empty DATA',
      (raw, i) =>
        i === 0
          ? raw.request('PUT', `${BASE}x`, { isWhole: false })
          : raw.frame(FRAME.DATA, 0, 1, Buffer.alloc(0)),
    ],
    [
      'headers past the limit',
      (raw, i) =>
        raw.frame(
          FRAME.HEADERS,
          5,
          2 * i + 1,
          Buffer.concat([
            raw.head('GET', BASE),
            literal('x-large', 'y'.repeat(16_000)),
            literal('x-more', 'y'.repeat(300)),
          ]),
        ),
    ],
    ['no frames at all', (raw) => raw.bytes(Buffer.alloc(100, 'x'))],
  ])('%s does not hurt the others', async (_, send) => {
    const raw = await RawSession.open();
    const before = residentMebibytes();
    for (let i = 0; i < COUNT && !raw.closed; i++) {
      send(raw, i);
      if (i % 500 === 0) {
        await sleep(1);
        expect((await ask({ target: '/healthz/live' })).status).toBe(200);
      }
    }
    expect(residentMebibytes() - before).toBeLessThan(100);
    raw.close();
    await untilInFlight(0);
    expect(kask.isRunning).toBe(true);
    expect((await put('after-flood', 'x')).status).toBe(201);
    expect(kask.logs().filter(({ level }) => level === 'ERROR')).toEqual([]);
    expect(kask.stderr).toBe('');
  });
});

function residentMebibytes(): number {
  const [, kilobytes] = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${kask.pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1_024;
}

function secured(
  ALPNProtocols: string[] | undefined,
  service = kask,
  options: SocketConstructorOpts = {},
): Promise<TLSSocket> {
  const { hostname, port } = new URL(service.origin);
  const socket = connect({ host: hostname, port: Number(port), ca, ALPNProtocols, ...options });
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', () => resolve(socket)).once('error', reject);
  });
}

/** RFC 9113 section 6. */
const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  CONTINUATION: 9,
};
const END_STREAM = 1;
const END_HEADERS = 4;

function uint32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

/** A field as HPACK has it without an index (RFC 7541 section 6.2.2). */
function literal(name: string, text: string): Buffer {
  return Buffer.concat([Buffer.from([0]), string(name), string(text)]);
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = [];
  if (bytes.length < 127) length.push(bytes.length);
  else {
    length.push(127);
    let rest = bytes.length - 127;
    for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** A session whose every frame the test decides. */
class RawSession {
  closed = false;

  private constructor(private readonly socket: TLSSocket) {
    socket.on('error', () => undefined).on('close', () => (this.closed = true));
    socket.resume();
  }

  static async open(service = kask, options: SocketConstructorOpts = {}): Promise<RawSession> {
    const raw = new RawSession(await secured(['h2'], service, options));
    raw.bytes(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'));
    raw.frame(FRAME.SETTINGS, 0, 0, Buffer.alloc(0));
    return raw;
  }

  head(method: string, target: string): Buffer {
    const fields = { ':method': method, ':scheme': 'https', ':path': target, ':authority': 'kask.test' };
    return Buffer.concat(Object.entries(fields).map(([name, text]) => literal(name, text)));
  }

  request(method: string, target: string, { id = 1, isWhole = true } = {}): this {
    this.frame(FRAME.HEADERS, END_HEADERS | (isWhole ? END_STREAM : 0), id, this.head(method, target));
    return this;
  }

  reset(id: number): void {
    this.frame(FRAME.RST_STREAM, 0, id, uint32(constants.NGHTTP2_CANCEL));
  }

  frame(type: number, flags: number, id: number, payload: Buffer): void {
    const length = uint32(payload.length).subarray(1);
    this.bytes(Buffer.concat([length, Buffer.from([type, flags]), uint32(id), payload]));
  }

  bytes(bytes: Buffer): void {
    if (this.socket.writable) this.socket.write(bytes);
  }

  close(): void {
    this.socket.destroy();
  }
}
