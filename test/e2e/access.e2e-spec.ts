import { copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request as requestInClear } from 'node:http';
import { request as requestByTls, type RequestOptions } from 'node:https';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { CertificateAuthority, createCertificates, type KeyPair } from '../harness/certificates.js';
import { KaskProcess } from '../harness/kask.js';
import { MissingPrerequisite } from '../harness/prerequisites.js';
import { RawConnection } from '../harness/raw-http.js';

jest.setTimeout(60_000);

/** An address of this machine that is not loopback: who connects to it is a stranger, though he is here. */
const ELSEWHERE = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

const WEB = 'spiffe://prod/ns/mediawiki/sa/web';
const JOB = 'spiffe://prod/ns/mediawiki/sa/job-7';
const PROXY = 'spiffe://prod/ns/mesh/sa/gateway';
const authorization = {
  proxies: [PROXY],
  clients: {
    [WEB]: { may: ['read', 'write', 'delete'], keys: ['enwiki:MWSession:', 'dewiki:'] },
    'spiffe://prod/ns/mediawiki/sa/*': { may: ['read'] },
    'prometheus.example': { may: ['metrics'] },
  },
};

const OPERATIONS = {
  read: ['GET', '/sessions/v1/enwiki%3AMWSession%3Athere'],
  'read absent': ['GET', '/sessions/v1/enwiki%3AMWSession%3Aabsent'],
  look: ['HEAD', '/sessions/v1/enwiki%3AMWSession%3Athere'],
  write: ['PUT', '/sessions/v1/enwiki%3AMWSession%3Awritten'],
  post: ['POST', '/sessions/v1/enwiki%3AMWSession%3Awritten'],
  touch: ['PATCH', '/sessions/v1/enwiki%3AMWSession%3Awritten'],
  delete: ['DELETE', '/sessions/v1/enwiki%3AMWSession%3Awritten'],
  'read another': ['GET', '/sessions/v1/frwiki%3AMWSession%3Athere'],
  'delete another': ['DELETE', '/sessions/v1/frwiki%3AMWSession%3Aabsent'],
  metrics: ['GET', '/metrics'],
  health: ['GET', '/healthz/ready'],
} as const;

/** Answers to OPERATIONS, in their order. */
type Answers = number[];
const NOBODY: Answers = [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 200];
const FORBIDDEN: Answers = [403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 200];
const OF_WEB: Answers = [200, 404, 200, 201, 201, 204, 204, 403, 403, 403, 200];
const OF_JOB: Answers = [200, 404, 200, 403, 403, 403, 403, 404, 403, 403, 200];
const OF_SCRAPER: Answers = [403, 403, 403, 403, 403, 403, 403, 403, 403, 200, 200];
const ANYTHING: Answers = [200, 404, 200, 201, 201, 204, 204, 200, 204, 200, 200];

interface Caller {
  certificate?: KeyPair;
  forwarded?: string | string[];
}

const certificates = createCertificates({ addresses: ['127.0.0.1', ELSEWHERE ?? '127.0.0.1'] });
const authority = CertificateAuthority.create(path.join(certificates.directory, 'clients'), 'Clients');
const stranger = CertificateAuthority.create(path.join(certificates.directory, 'strangers'), 'Strangers');
const tls = {
  cert: certificates.serverCertificate,
  key: certificates.serverKey,
  client_ca: authority.certificate,
  client_auth: 'optional',
};
const socketPath = path.join(certificates.directory, 'kask.sock');
const proxy = authority.issueClient('proxy', 'x', { uris: [PROXY] });
const web = authority.issueClient('web', 'web.example', { uris: [WEB] });

async function ask(
  origin: string,
  method: string,
  target: string,
  { certificate, forwarded }: Caller = {},
): Promise<{ status: number; headers: IncomingMessage['headers']; body: string }> {
  const options: RequestOptions = {
    method,
    path: target,
    headers: forwarded === undefined ? {} : { 'x-forwarded-client-cert': forwarded },
    ca: readFileSync(certificates.ca),
    ...(certificate && { cert: readFileSync(certificate.certificate), key: readFileSync(certificate.key) }),
    ...(origin.startsWith('unix:') && { socketPath: origin.slice('unix:'.length) }),
    agent: false,
  };
  const [protocol, host = ''] = origin.split('://');
  const [hostname, port] = host.split(':');
  const send = protocol === 'https' ? requestByTls : requestInClear;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = send(host ? { ...options, hostname, port } : options, resolve).on('error', reject);
    request.end(['PUT', 'POST'].includes(method) ? 'value' : undefined);
  });
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
}

async function answersTo(origin: string, caller: Caller): Promise<Answers> {
  const answers: Answers = [];
  for (const [method, target] of Object.values(OPERATIONS))
    answers.push((await ask(origin, method, target, caller)).status);
  return answers;
}

const shapes: Record<string, Record<string, unknown>> = {
  mTLS: { listen_address: ELSEWHERE, tls, authorization },
  loopback: { authorization },
  stranger: { listen_address: ELSEWHERE, authorization },
  socket: { listen_socket: socketPath, authorization },
  mesh: { listen_address: ELSEWHERE, authentication: 'none' },
};

const MATRIX: [shape: string, who: string, caller: Caller, answers: Answers][] = [
  ['mTLS', 'nobody', {}, NOBODY],
  ['mTLS', 'URI', { certificate: web }, OF_WEB],
  ['mTLS', 'URI by pattern', { certificate: authority.issueClient('job', 'j', { uris: [JOB] }) }, OF_JOB],
  ['mTLS', 'DNS', { certificate: authority.issueClient('p', 'prometheus.example') }, OF_SCRAPER],
  [
    'mTLS',
    'another URI, and a DNS name that may',
    { certificate: authority.issueClient('other', 'prometheus.example', { uris: ['spiffe://prod/other'] }) },
    FORBIDDEN,
  ],
  ['mTLS', 'two URIs', { certificate: authority.issueClient('two', 'x', { uris: [WEB, JOB] }) }, NOBODY],
  ['mTLS', 'unknown', { certificate: authority.issueClient('unknown') }, FORBIDDEN],
  ['mTLS', 'another CA', { certificate: stranger.issueClient('w', 'w', { uris: [WEB] }) }, NOBODY],
  ['mTLS', 'nobody, with a header', { forwarded: `URI=${WEB}` }, NOBODY],
  [
    'mTLS',
    'unknown, with a header',
    { certificate: authority.issueClient('neighbour'), forwarded: `URI=${WEB}` },
    FORBIDDEN,
  ],
  [
    'mTLS',
    'common name alone',
    { certificate: authority.issueClient('cn', 'prometheus.example', { names: [] }) },
    NOBODY,
  ],
  ['mTLS', 'proxy', { certificate: proxy }, FORBIDDEN],
  [
    'mTLS',
    'proxy, for a client',
    { certificate: proxy, forwarded: `By=${PROXY};Hash=0a;URI=${WEB}` },
    OF_WEB,
  ],
  [
    'mTLS',
    'proxy, for a client that forges',
    { certificate: proxy, forwarded: `URI=${WEB}, By=${PROXY};URI=spiffe://prod/other` },
    FORBIDDEN,
  ],
  ['mTLS', 'proxy, for nobody', { certificate: proxy, forwarded: 'Hash=0a' }, NOBODY],
  ['loopback', 'no header', {}, NOBODY],
  ['loopback', 'URI', { forwarded: `By=x;Hash=0a;Subject="CN=a,O=b";URI=${WEB};DNS=a` }, OF_WEB],
  ['loopback', 'DNS', { forwarded: 'By=x;Hash=0a;DNS=a;DNS=Prometheus.example' }, OF_SCRAPER],
  ['loopback', 'common name', { forwarded: 'Hash=0a;Subject="CN=prometheus.example"' }, NOBODY],
  ['loopback', 'nonsense', { forwarded: `${WEB}` }, NOBODY],
  ['loopback', 'two headers', { forwarded: [`URI=${WEB}`, 'URI=spiffe://prod/other'] }, FORBIDDEN],
  ['stranger', 'no header', {}, NOBODY],
  ['stranger', 'URI', { forwarded: `By=x;Hash=0a;URI=${WEB}` }, NOBODY],
  ['socket', 'no header', {}, NOBODY],
  ['socket', 'URI', { forwarded: `By=x;Hash=0a;URI=${WEB}` }, OF_WEB],
  ['mesh', 'no header', {}, ANYTHING],
  ['mesh', 'a header', { forwarded: 'URI=spiffe://prod/other' }, ANYTHING],
];

describe('who may do what', () => {
  const origins = new Map<string, string>();
  const services: KaskProcess[] = [];
  const matrix: string[][] = [];

  beforeAll(async () => {
    if (!ELSEWHERE) throw new MissingPrerequisite('a network interface with an IPv4 address beside loopback');
    for (const [shape, settings] of Object.entries(shapes)) {
      const kask = await KaskProcess.start({ storage: 'embedded', ...settings });
      services.push(kask);
      origins.set(shape, kask.origin);
      const writer = shape === 'mTLS' ? { certificate: web } : { forwarded: `URI=${WEB}` };
      const [, there] = OPERATIONS.read;
      await ask(kask.origin, 'PUT', there, writer);
    }
    await ask(String(origins.get('mesh')), 'PUT', OPERATIONS['read another'][1]);
  });
  afterAll(async () => {
    const rows = matrix.map((cells) => `| ${cells.join(' | ')} |`);
    console.log(['', `| shape | who | ${Object.keys(OPERATIONS).join(' | ')} |`, ...rows].join('\n'));
    await Promise.all(services.map((kask) => kask.stop()));
  });

  it.each(MATRIX)('%s: %s', async (shape, who, caller, expected) => {
    const answers = await answersTo(String(origins.get(shape)), caller);
    matrix.push([shape, who, ...answers.map(String)]);
    expect(answers).toEqual(expected);
  });
});

describe('a refusal', () => {
  let kask: KaskProcess;
  beforeAll(async () => {
    kask = await KaskProcess.start({ storage: 'embedded', authorization, log_level: 'debug' });
  });
  afterAll(() => kask.stop());

  it('of nobody asks for a certificate', async () => {
    const { status, headers, body } = await ask(kask.origin, 'GET', kask.path('enwiki:MWSession:there'));
    expect([status, headers['www-authenticate']]).toEqual([401, 'Client-Certificate']);
    expect(JSON.parse(body)).toEqual({
      type: 'https://www.mediawiki.org/wiki/Kask/errors/not_authorized',
      title: 'Not authorized',
      detail: 'Unable to authorize request',
      instance: '/sessions/v1/:key',
    });
  });

  it('is the same for a key that exists and one that does not', async () => {
    const key = 'enwiki:MWSession:there';
    expect((await ask(kask.origin, 'PUT', kask.path(key), { forwarded: `URI=${WEB}` })).status).toBe(201);
    for (const caller of [{}, { forwarded: 'URI=spiffe://prod/other' }]) {
      const [there, absent] = [
        await ask(kask.origin, 'GET', kask.path(key), caller),
        await ask(kask.origin, 'GET', kask.path('enwiki:MWSession:absent'), caller),
      ];
      delete there.headers.date;
      delete absent.headers.date;
      expect(there).toEqual(absent);
    }
  });

  it('comes before a byte of the body is asked for, and nothing is stored', async () => {
    for (const [forwarded, status] of [
      ['', 401],
      ['X-Forwarded-Client-Cert: URI=spiffe://prod/other\r\n', 403],
    ] as const) {
      const connection = await RawConnection.open(kask.origin);
      const head = `PUT ${kask.path('enwiki:x')} HTTP/1.1\r\nHost: a\r\n${forwarded}`;
      connection.send(`${head}Content-Length: 5000000\r\nExpect: 100-continue\r\n\r\n`);
      expect((await connection.answer('PUT')).status).toBe(status);
      connection.destroy();
    }
  });

  it('ends the connection of who sends a large body all the same', async () => {
    const connection = await RawConnection.open(kask.origin);
    connection.send(`PUT ${kask.path('x')} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const answer = await connection.answer('PUT');
    expect([answer.status, answer.headers.connection]).toEqual([401, 'close']);
    await connection.untilEnded();
    connection.destroy();
  });

  it('is logged with no more of an identity than anybody needs', async () => {
    const who = `spiffe://prod/${'x'.repeat(10_000)}`;
    await ask(kask.origin, 'GET', kask.path('long'), { forwarded: `URI=${who}` });
    const { identity } = await kask.waitForLog((line) =>
      String(line.identity).startsWith('spiffe://prod/xx'),
    );
    expect(identity).toBe(who.slice(0, 512));
  });

  it('is counted each time, and logged once a connection with who it was and without the key', async () => {
    const counts = async () =>
      metricsOf((await ask(kask.origin, 'GET', '/metrics', { forwarded: 'DNS=prometheus.example' })).body);
    const before = await counts();
    const [proxied, lines] = [await RawConnection.open(kask.origin), kask.logs().length];
    for (const who of [
      'spiffe://prod/other',
      'spiffe://prod/third',
      'spiffe://prod/other',
      undefined,
      undefined,
    ]) {
      const header = who ? `X-Forwarded-Client-Cert: URI=${who}\r\n` : '';
      proxied.send(`GET ${kask.path('MARKED')} HTTP/1.1\r\nHost: a\r\n${header}\r\n`);
      expect((await proxied.answer()).status).toBe(who ? 403 : 401);
    }
    proxied.destroy();
    const refused = (problem: string) => `kask_access_refused_total{problem="${problem}"}`;
    const after = await counts();
    expect(after.get(refused('forbidden'))! - before.get(refused('forbidden'))!).toBe(3);
    expect(after.get(refused('not_authorized'))! - before.get(refused('not_authorized'))!).toBe(2);
    const told = kask
      .logs()
      .slice(lines)
      .filter(({ level }) => level === 'WARNING');
    expect(told.map(({ msg, identity, status }) => [msg, identity, status])).toEqual([
      ['client refused', 'spiffe://prod/other', 403],
      ['client refused', 'spiffe://prod/third', 403],
      ['client refused', 'none', 401],
    ]);
    expect(kask.stdout).not.toContain('MARKED');
  });
});

it('authorization is taken up again when the file changes, on open connections too, and a bad file is not', async () => {
  const kask = await KaskProcess.start({ storage: 'embedded', authorization });
  const write = (changed: unknown): void =>
    writeFileSync(
      kask.configFile,
      stringify({ ...parse(readFileSync(kask.configFile, 'utf8')), authorization: changed }),
    );
  const connection = await RawConnection.open(kask.origin);
  const status = async (): Promise<number> => {
    connection.send(
      `GET ${kask.path('dewiki:x')} HTTP/1.1\r\nHost: a\r\nX-Forwarded-Client-Cert: URI=${WEB}\r\n\r\n`,
    );
    return (await connection.answer()).status;
  };
  expect(await status()).toBe(404);

  write({ clients: { [WEB]: { may: ['everything'] } } });
  const { reason } = await kask.waitForLog(({ msg }) =>
    msg.startsWith('the settings have changed and cannot be used'),
  );
  expect(reason).toContain('may: found ["everything"]; allowed: ');
  expect(await status()).toBe(404);

  write({ clients: { [JOB]: { may: ['read'] } } });
  await kask.waitForLog(({ msg }) => msg === 'authorization has changed and is in force');
  expect(await status()).toBe(403);

  write(authorization);
  while ((await status()) !== 404) await sleep(100);
  connection.destroy();
  await kask.stop();
});

it('authorization that waited for another file to be mended is taken up without another change', async () => {
  const log_key_file = path.join(certificates.directory, 'log-key');
  writeFileSync(log_key_file, 'x'.repeat(32), { mode: 0o600 });
  const kask = await KaskProcess.start({ storage: 'embedded', authorization, log_key_file });
  writeFileSync(log_key_file, 'half');
  const settings = parse(readFileSync(kask.configFile, 'utf8'));
  const revoked = { clients: { [JOB]: { may: ['read'] } } };
  writeFileSync(kask.configFile, stringify({ ...settings, authorization: revoked }));
  await kask.waitForLog(({ msg }) => msg.startsWith('the settings have changed and cannot be used'));
  writeFileSync(log_key_file, 'y'.repeat(32));
  await kask.waitForLog(({ msg }) => msg === 'authorization has changed and is in force', 20_000);
  const { status } = await ask(kask.origin, 'GET', kask.path('dewiki:x'), { forwarded: `URI=${WEB}` });
  expect(status).toBe(403);
  await kask.stop();
});

describe('the management port', () => {
  let kask: KaskProcess;
  beforeAll(async () => {
    const management = { listen_address: '127.0.0.1', listen_port: 0 };
    kask = await KaskProcess.start({ storage: 'embedded', tls, authorization, management });
  });
  afterAll(() => kask?.stop());

  it.each(['/metrics', '/healthz', '/healthz/live', '/healthz/ready', '/openapi'])(
    'has %s in clear and for everybody, and the first port has it no more',
    async (target) => {
      expect((await ask(kask.management, 'GET', target)).status).toBe(200);
      const elsewhere = await ask(kask.origin, 'GET', target, { forwarded: 'DNS=prometheus.example' });
      expect([elsewhere.status, JSON.parse(elsewhere.body)]).toMatchObject([404, { title: 'Not found' }]);
    },
  );

  it('has no sessions', async () => {
    const forwarded = `URI=${WEB}`;
    const target = kask.path('enwiki:MWSession:a');
    expect((await ask(kask.origin, 'PUT', target, { forwarded })).status).toBe(201);
    for (const method of ['GET', 'PUT', 'DELETE'])
      expect((await ask(kask.management, method, target, { forwarded })).status).toBe(404);
    expect((await ask(kask.origin, 'GET', target, { forwarded })).status).toBe(200);
  });

  it('answers what is no HTTP as the first port does', async () => {
    const connection = await RawConnection.open(kask.management);
    connection.send('nonsense\r\n\r\n');
    expect((await connection.answer()).status).toBe(400);
    connection.destroy();
  });

  it('tells that the service leaves, while it leaves', async () => {
    const management = { listen_address: '127.0.0.1', listen_port: 0 };
    const leaving = await KaskProcess.start({ storage: 'embedded', management, shutdown_delay_ms: 2_000 });
    leaving.signal('SIGTERM');
    await leaving.waitForLog(({ msg }) => msg.startsWith('shutting down'));
    expect((await ask(leaving.management, 'GET', '/healthz/ready')).status).toBe(503);
    expect((await ask(leaving.management, 'GET', '/healthz/live')).status).toBe(200);
    expect(await leaving.exited).toBe(0);
  });
});

describe('a Unix socket', () => {
  const listen_socket = path.join(certificates.directory, 'own.sock');
  const settings = { storage: 'embedded', listen_socket, authentication: 'none' };

  it('is for its owner and group, and is gone when the service is', async () => {
    const kask = await KaskProcess.start(settings);
    expect(statSync(listen_socket).mode & 0o777).toBe(0o660);
    expect((await ask(kask.origin, 'PUT', kask.path('a'))).status).toBe(201);
    const second = KaskProcess.spawn(settings);
    expect(await second.exited).toBe(70);
    expect(second.stderr).toBe('kask: listen_socket: another process listens there\n');
    expect((await ask(kask.origin, 'GET', kask.path('a'))).status).toBe(200);
    expect(await kask.stop()).toBe(0);
    expect(() => statSync(listen_socket)).toThrow('ENOENT');
  });

  it('that a killed process left behind is replaced, and a file that is none is not', async () => {
    const killed = await KaskProcess.start(settings);
    await killed.kill();
    const kask = await KaskProcess.start(settings);
    expect((await ask(kask.origin, 'GET', kask.path('a'))).status).toBe(404);
    await kask.stop();

    copyFileSync(certificates.ca, listen_socket);
    const refused = KaskProcess.spawn(settings);
    expect(await refused.exited).toBe(70);
    expect(refused.stderr).toBe('kask: listen_socket: there is something else at this path\n');
    expect(readFileSync(listen_socket, 'utf8')).toContain('CERTIFICATE');
  });
});

function metricsOf(text: string): Map<string, number> {
  const samples = text.split('\n').filter((line) => line && !line.startsWith('#'));
  return new Map(
    samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  );
}

afterAll(() => rmSync(certificates.directory, { recursive: true }));
