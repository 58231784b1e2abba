import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { CertificateAuthority, type KeyPair } from '../harness/certificates.js';
import { KaskProcess, type LogLine } from '../harness/kask.js';

jest.setTimeout(180_000);

const TAKEN_UP = 'changed files of TLS were taken up';
const NOT_TAKEN_UP = 'changed files of TLS cannot be used: what they held before stays';

const directory = mkdtempSync(path.join(tmpdir(), 'kask-tls-'));
const servers = CertificateAuthority.create(path.join(directory, 'servers'), 'Authority of servers');
const clients = CertificateAuthority.create(path.join(directory, 'clients'), 'Authority of clients');
const others = CertificateAuthority.create(path.join(directory, 'others'), 'Authority of other clients');
const server = servers.issueServer('server', { addresses: ['127.0.0.1'] });
const client = clients.issueClient('client');
const other = others.issueClient('other');
const ca = readFileSync(servers.certificate);

let kask: KaskProcess;
let storage = 0;

async function start(tls: Record<string, unknown> = {}): Promise<KaskProcess> {
  const settings = { cert: server.certificate, key: server.key, ...tls };
  const embedded = { path: path.join(directory, `data${storage++}`) };
  return (kask = await KaskProcess.start({ storage: 'embedded', embedded, tls: settings }));
}

afterAll(() => rmSync(directory, { recursive: true }));

function shows(pair: KeyPair): Pick<ConnectionOptions, 'cert' | 'key'> {
  return { cert: readFileSync(pair.certificate), key: readFileSync(pair.key) };
}

/** A connection on which a client asks one request after the other. */
class Client {
  ended = false;
  session: Buffer | undefined;
  private received = '';

  private constructor(readonly socket: TLSSocket) {
    socket.on('data', (bytes: Buffer) => (this.received += bytes.toString('latin1')));
    socket.on('session', (session) => (this.session = session));
    socket.on('error', () => undefined).on('close', () => (this.ended = true));
  }

  static async open(options: ConnectionOptions = {}): Promise<Client> {
    const { hostname, port } = new URL(kask.origin);
    const socket = connect({ host: hostname, port: Number(port), ca, ...options });
    const opened = new Client(socket);
    await new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve).once('error', reject);
    });
    return opened;
  }

  /** The status, or what became of the connection instead. */
  async ask(target = '/healthz/live'): Promise<number | 'closed'> {
    this.received = '';
    this.socket.write(`GET ${target} HTTP/1.1\r\nHost: kask.test\r\n\r\n`);
    while (!this.ended && !this.received.includes('\r\n\r\n')) await sleep(5);
    const [, status] = /^HTTP\/1.1 (\d+)/.exec(this.received) ?? [];
    return status ? Number(status) : 'closed';
  }

  saysClose(): boolean {
    return /\r\nconnection: close\r\n/i.test(this.received);
  }

  async untilEnded(withinMs: number): Promise<boolean> {
    for (const end = Date.now() + withinMs; !this.ended && Date.now() < end;) await sleep(20);
    return this.ended;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** What a client gets who connects, asks once and leaves. */
async function visit(options: ConnectionOptions = {}): Promise<number | string> {
  try {
    const visitor = await Client.open(options);
    const answer = await visitor.ask();
    visitor.close();
    return answer;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'refused';
  }
}

async function metrics(options: ConnectionOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = https.get(`${kask.origin}/metrics`, { ca, agent: false, ...options }, (answer) => {
      let text = '';
      answer.on('data', (part) => (text += String(part))).on('end', () => resolve(text));
    });
    sent.on('error', reject);
  });
}

const lines = (msg: string): LogLine[] => kask.logs().filter((line) => line.msg === msg);

async function untilLogged(msg: string, count = 1): Promise<LogLine> {
  for (const end = Date.now() + 20_000; lines(msg).length < count && Date.now() < end;) await sleep(20);
  expect(lines(msg)).toHaveLength(count);
  return lines(msg).at(-1) as LogLine;
}

describe('versions and suites', () => {
  afterEach(() => kask.stop());

  it('are those that are safe', async () => {
    await start();
    const negotiate = async (options: ConnectionOptions): Promise<string> => {
      const opened = await Client.open(options).catch((error: NodeJS.ErrnoException) => error.code ?? '');
      if (typeof opened === 'string') return 'refused';
      const found = `${opened.socket.getProtocol()} ${opened.socket.getCipher().name}`;
      expect(await opened.ask()).toBe(200);
      opened.close();
      return found;
    };
    const old = 'ALL:@SECLEVEL=0';
    expect(await negotiate({})).toBe('TLSv1.3 TLS_AES_256_GCM_SHA384');
    expect(await negotiate({ maxVersion: 'TLSv1.2' })).toMatch(/^TLSv1.2 ECDHE-ECDSA-/);
    expect(await negotiate({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: old })).toBe('refused');
    const preferred = 'ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256';
    expect(await negotiate({ maxVersion: 'TLSv1.2', ciphers: preferred })).toBe(
      'TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305',
    );
    for (const ciphers of [
      'ECDHE-ECDSA-AES128-SHA',
      'ECDHE-ECDSA-AES128-SHA256',
      'AES128-GCM-SHA256',
      'NULL',
    ])
      expect([
        ciphers,
        await negotiate({ maxVersion: 'TLSv1.2', ciphers: `${ciphers}:@SECLEVEL=0` }),
      ]).toEqual([ciphers, 'refused']);
    for (const ecdhCurve of ['X25519', 'prime256v1', 'secp384r1'])
      expect(await negotiate({ ecdhCurve })).toMatch(/^TLSv1.3/);
    expect(await negotiate({ ecdhCurve: 'secp521r1' })).toBe('refused');
  });

  it('can be 1.3 alone', async () => {
    await start({ min_version: '1.3' });
    expect(await visit({ maxVersion: 'TLSv1.2' })).toMatch(/^ERR_SSL/);
    expect(await visit()).toBe(200);
  });

  it('are not negotiated again on a connection', async () => {
    await start();
    const visitor = await Client.open({ maxVersion: 'TLSv1.2' });
    const again = new Promise((resolve) => visitor.socket.renegotiate({}, () => resolve('negotiated')));
    expect(await Promise.race([again, visitor.untilEnded(10_000)])).toBe(true);
    expect(await visit()).toBe(200);
  });
});

describe('clients are asked for a certificate', () => {
  const expired = clients.issueClient('expired', 'expired', { days: -1 });
  const forServers = clients.issueClient('for-servers', 'for-servers', { usage: 'serverAuth' });
  const everybody = { none: {}, client, other, expired, forServers };
  afterEach(() => kask.stop());

  const answers = async (options: ConnectionOptions): Promise<Record<string, string>> => {
    const seen: Record<string, string> = {};
    for (const [name, pair] of Object.entries(everybody)) {
      const answer = await visit({ ...options, ...('key' in pair ? shows(pair) : {}) });
      seen[name] = answer === 200 ? 'served' : 'refused';
    }
    return seen;
  };

  it.each([['TLSv1.2'], ['TLSv1.3']] as const)('%s: and must have a good one', async (maxVersion) => {
    await start({ client_ca: clients.certificate, client_auth: 'required' });
    expect(await answers({ maxVersion })).toEqual({
      none: 'refused',
      client: 'served',
      other: 'refused',
      expired: 'refused',
      forServers: 'refused',
    });
    expect(await metrics(shows(client))).toContain('kask_http_connections_closed_total{reason="tls"} 4\n');
  });

  it.each([['optional'], ['none']])('%s: and are served without', async (client_auth) => {
    await start({ client_ca: clients.certificate, client_auth });
    const served = Object.fromEntries(Object.keys(everybody).map((name) => [name, 'served']));
    expect(await answers({})).toEqual(served);
  });

  it('and are refused when it is revoked, or the list is out of date', async () => {
    const bad = clients.issueClient('bad');
    clients.revoke(bad);
    const tls = { client_ca: clients.certificate, client_auth: 'required' };
    await start({ ...tls, client_crl: clients.revocationList('first') });
    expect([await visit(shows(client)), await visit(shows(bad))]).toEqual([200, expect.anything()]);
    expect(await visit(shows(bad))).not.toBe(200);
    expect(await metrics(shows(client))).toMatch(
      /kask_tls_expiry_timestamp_seconds\{file="client_crl"\} 1\d{9}$/m,
    );
    await kask.stop();
    await start({ ...tls, client_crl: clients.revocationList('late', -1) });
    expect(await visit(shows(client))).not.toBe(200);
    expect(kask.stdout).toMatch(/the list of CN=Authority of clients expired on/);
  });
});

describe.each([['TLSv1.2'], ['TLSv1.3']] as const)('a session of %s', (maxVersion) => {
  const crl = path.join(directory, `${maxVersion}.crl`);
  const cas = path.join(directory, `${maxVersion}.pem`);
  afterEach(() => kask.stop());

  const session = async (options: ConnectionOptions): Promise<Buffer> => {
    const visitor = await Client.open({ maxVersion, ...options });
    expect(await visitor.ask()).toBe(200);
    visitor.close();
    return visitor.session as Buffer;
  };
  const isResumed = async (options: ConnectionOptions): Promise<boolean> => {
    const visitor = await Client.open({ maxVersion, ...options });
    const reused = visitor.socket.isSessionReused();
    expect(await visitor.ask()).toBe(200);
    visitor.close();
    return reused;
  };

  it('is resumed, with a client certificate and without', async () => {
    await start();
    expect(await isResumed({ session: await session({}) })).toBe(true);
    await kask.stop();
    await start({ client_ca: clients.certificate, client_auth: 'required' });
    const own = shows(client);
    expect(await isResumed({ ...own, session: await session(own) })).toBe(true);
    expect(await visit({ maxVersion, session: await session(own) })).toBe(200);
  });

  it('and its connection end with the certificate that began them', async () => {
    await start({ client_ca: clients.certificate, client_auth: 'required' });
    const brief = shows(clients.issueClient(`brief${maxVersion}`, 'brief', { days: 8 / 86_400 }));
    const kept = await Client.open({ maxVersion, ...brief });
    expect(await kept.ask()).toBe(200);
    expect(await kept.untilEnded(30_000)).toBe(true);
    expect(await visit({ maxVersion, ...brief, session: kept.session })).not.toBe(200);
    expect(await visit({ maxVersion, ...brief })).not.toBe(200);
    expect(await visit({ maxVersion, ...shows(client) })).toBe(200);
  });

  it('is not resumed once it was changed whom to trust', async () => {
    copyFileSync(clients.revocationList('none-yet'), crl);
    copyFileSync(clients.certificate, cas);
    await start({ client_ca: cas, client_crl: crl, client_auth: 'required' });
    const own = shows(client);
    const before = await session(own);
    copyFileSync(clients.revocationList('again'), crl);
    await untilLogged(TAKEN_UP);
    expect(await isResumed({ ...own, session: before })).toBe(false);
    const between = await session(own);
    writeFileSync(crl, readFileSync(crl, 'utf8') + readFileSync(others.revocationList('list'), 'utf8'));
    writeFileSync(cas, readFileSync(cas, 'utf8') + readFileSync(others.certificate, 'utf8'));
    await untilLogged(TAKEN_UP, 2);
    expect(await isResumed({ ...own, session: between })).toBe(false);
    expect(await visit({ maxVersion, session: between })).not.toBe(200);
  });
});

/** A folder of files as Kubernetes mounts it: all change at once, when one link is swapped. */
class Mount {
  private versions = 0;
  constructor(readonly folder: string) {
    mkdirSync(folder);
  }

  at(name: string): string {
    return path.join(this.folder, name);
  }

  write(files: Record<string, string>): void {
    const version = `..version${this.versions++}`;
    mkdirSync(this.at(version));
    for (const [name, file] of Object.entries(files)) copyFileSync(file, path.join(this.at(version), name));
    if (this.versions === 1)
      for (const name of Object.keys(files)) symlinkSync(path.join('..data', name), this.at(name));
    symlinkSync(version, this.at('..new'));
    renameSync(this.at('..new'), this.at('..data'));
  }
}

/** Clients that keep their connections, and some that do not, for as long as it runs. */
class Load {
  requests = 0;
  readonly failures: string[] = [];
  private running = true;
  private readonly workers: Promise<void>[];

  constructor(options: Pick<ConnectionOptions, 'cert' | 'key'>) {
    const kept = new https.Agent({ keepAlive: true, ca, ...options });
    const fresh = new https.Agent({ keepAlive: false, maxCachedSessions: 0, ca, ...options });
    this.workers = [kept, kept, kept, kept, fresh, fresh].map((agent, i) => this.work(agent, `load${i}`));
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.workers);
  }

  private async work(agent: https.Agent, key: string): Promise<void> {
    while (this.running) {
      await this.ask(agent, 'PUT', key, 201);
      await this.ask(agent, 'GET', key, 200);
      await sleep(1);
    }
    agent.destroy();
  }

  private async ask(agent: https.Agent, method: string, key: string, expected: number): Promise<void> {
    this.requests++;
    const outcome = await new Promise<number | string | undefined>((resolve) => {
      const sent = https.request(kask.url(key), { method, agent }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode));
      });
      sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      sent.end(method === 'PUT' ? 'value' : undefined);
    });
    if (outcome !== expected) this.failures.push(`${method}: ${outcome}`);
  }
}

describe('files that change while it runs', () => {
  const both = path.join(directory, 'both.pem');
  const bothLists = path.join(directory, 'both.crl');
  const renewed = servers.issueServer('renewed', { addresses: ['127.0.0.1'] });
  let mount: Mount;
  let files: Record<'cert' | 'key' | 'ca' | 'crl', string>;

  beforeAll(() => {
    writeFileSync(both, [clients, others].map((each) => readFileSync(each.certificate, 'utf8')).join(''));
    const lists = [clients, others].map((each) => each.revocationList('nobody'));
    writeFileSync(bothLists, lists.map((list) => readFileSync(list, 'utf8')).join(''));
  });
  beforeEach(async () => {
    mount = new Mount(path.join(directory, `mount${storage}`));
    files = { cert: server.certificate, key: server.key, ca: both, crl: bothLists };
    mount.write(files);
    await start({
      cert: mount.at('cert'),
      key: mount.at('key'),
      client_ca: mount.at('ca'),
      client_crl: mount.at('crl'),
      client_auth: 'required',
    });
  });
  afterEach(() => kask.stop());

  const change = (changed: Partial<typeof files>): void => mount.write((files = { ...files, ...changed }));

  it('are taken up without a request that fails', async () => {
    const load = new Load(shows(client));
    const figures: Record<string, number> = {};
    const changes: [string, Partial<typeof files>][] = [
      ['cert and key', { cert: renewed.certificate, key: renewed.key }],
      ['crl', { crl: fewer('fewer.crl', bothLists, others.revocationList('newer')) }],
      ['ca', { ca: fewer('other-order.pem', others.certificate, clients.certificate) }],
      ['ca and crl, one less', { ca: clients.certificate, crl: clients.revocationList('alone') }],
    ];
    try {
      for (const [index, [what, changed]] of changes.entries()) {
        const before = load.requests;
        change(changed);
        await untilLogged(TAKEN_UP, index + 1);
        // After the last, until all that had to go are gone.
        await sleep(index < changes.length - 1 ? 3_000 : 11_000);
        figures[what] = load.requests - before;
        expect([what, load.failures]).toEqual([what, []]);
      }
    } finally {
      await load.stop();
    }
    console.log(`rotation under load, 0 failures: ${JSON.stringify(figures)}`);
    const visitor = await Client.open(shows(client));
    expect(visitor.socket.getPeerX509Certificate()?.serialNumber).toBe(serialOf(renewed));
    visitor.close();
    expect(await metrics(shows(client))).toContain('kask_tls_reloads_total{result="ok"} 4\n');
    expect(lines(NOT_TAKEN_UP)).toEqual([]);
  });

  it.each<[string, () => Partial<typeof files>, RegExp]>([
    ['a certificate that is none', () => ({ cert: garbage() }), /^tls\.cert: .* holds something else/],
    ['half a certificate', () => ({ cert: half(server.certificate) }), /^tls\.cert: .* holds something else/],
    ['a key of another', () => ({ key: renewed.key }), /^tls\.cert, tls\.key: .* do not belong together/],
    ['authorities that are none', () => ({ ca: garbage() }), /^tls\.client_ca: .* holds something else/],
    ['a list that is none', () => ({ crl: garbage() }), /^tls\.client_crl: .* holds something else/],
    ['half a list', () => ({ crl: half(bothLists) }), /^tls\.client_crl: /],
    [
      'a list too few',
      () => ({ crl: clients.revocationList('one') }),
      /no list of CN=Authority of other clients/,
    ],
  ])('are kept out when they are bad: %s', async (_, bad, reason) => {
    const visitor = await Client.open(shows(client));
    const good = { ...files };
    change(bad());
    const line = await untilLogged(NOT_TAKEN_UP);
    expect([line.level, line.reasons]).toEqual(['ERROR', [expect.stringMatching(reason)]]);
    expect([await visitor.ask(), await visit(shows(client)), await visit(shows(other))]).toEqual([
      200, 200, 200,
    ]);
    expect(await metrics(shows(client))).toContain('kask_tls_reloads_total{result="failed"} 1\n');
    change({ ...good, cert: renewed.certificate, key: renewed.key });
    await untilLogged(TAKEN_UP);
    expect(await visitor.ask()).toBe(200);
    visitor.close();
  });

  it.each<[string, () => Partial<typeof files>]>([
    ['its authority is removed', () => ({ ca: clients.certificate })],
    [
      'it is revoked',
      () => {
        others.revoke(other);
        const lists = [clients, others].map((each) => each.revocationList('somebody'));
        return { crl: fewer('somebody.crl', ...(lists as [string, string])) };
      },
    ],
  ])('end the connections of a certificate when %s', async (_, changed) => {
    const [idle, busy] = [await Client.open(shows(other)), await Client.open(shows(other))];
    const upload = await Client.open(shows(other));
    const session = http2.connect(kask.origin, { ca, ...shows(other) }).on('error', () => undefined);
    await once(session, 'remoteSettings');
    upload.socket.write(
      `PUT ${kask.path('never-whole')} HTTP/1.1\r\nHost: kask.test\r\nContent-Length: 10\r\n\r\n01234`,
    );
    expect([await idle.ask(), await busy.ask()]).toEqual([200, 200]);
    change(changed());
    await untilLogged(TAKEN_UP);
    expect(await busy.ask()).toBe(200);
    expect(busy.saysClose()).toBe(true);
    // 10 s, and as much for a slow machine.
    expect(await Promise.all([busy, idle, upload].map((each) => each.untilEnded(20_000)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(session.closed).toBe(true);
    expect(await visit(shows(other))).not.toBe(200);
    expect(await visit(shows(client))).toBe(200);
  });

  const fewer = (name: string, ...parts: [string, string]): string => {
    const file = path.join(directory, name);
    writeFileSync(file, parts.map((part) => readFileSync(part, 'utf8')).join(''));
    return file;
  };
  const garbage = (): string => {
    const file = path.join(directory, 'garbage');
    writeFileSync(file, '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n');
    return file;
  };
  const half = (whole: string): string => {
    const file = path.join(directory, 'half');
    writeFileSync(file, readFileSync(whole).subarray(0, 300));
    return file;
  };
});

function serialOf({ certificate }: KeyPair): string {
  return new X509Certificate(readFileSync(certificate)).serialNumber;
}
