import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import request from 'supertest';
import { eventually } from '../harness/cassandra/poll.js';
import { CertificateAuthority } from '../harness/certificates.js';
import { KaskProcess } from '../harness/kask.js';
import { Rsyslog } from '../harness/rsyslog.js';

jest.setTimeout(120_000);

/** Stands in every session key that these tests send. */
const MARK = 'MARKEDSESSIONKEY';
const DEADLINE_MS = 30_000;

/** PRI, version, TIMESTAMP, HOSTNAME, APP-NAME, PROCID, no MSGID, no STRUCTURED-DATA, MSG (RFC 5424 section 6). */
const MESSAGE = /^<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S+) (\S+) (\d+) - - (\{.*\})$/;

interface Message {
  facility: number;
  severity: number;
  appName: string;
  processId: number;
  line: string;
}

describe('syslog', () => {
  let directory: string;
  let authority: CertificateAuthority;
  let rsyslog: Rsyslog;
  let port: number;
  let tlsPort: number;
  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'kask-syslog-'));
    authority = CertificateAuthority.create(path.join(directory, 'ca'), 'Kask test CA');
    [port, tlsPort] = [await freePort(), await freePort()];
    const identity = authority.issueServer('rsyslog', { names: ['localhost'] });
    rsyslog = new Rsyslog({ port, tlsPort, ca: authority.certificate, identity });
    await rsyslog.start();
  });
  afterAll(async () => {
    await rsyslog.stop();
    await rsyslog.remove();
    rmSync(directory, { recursive: true });
  });

  const start = (syslog: object, more: object = {}): Promise<KaskProcess> =>
    KaskProcess.start({
      storage: 'embedded',
      embedded: { path: path.join(directory, 'data') },
      log: { syslog },
      ...more,
    });

  /** What one process sent, once it is at least so many. */
  const received = (kask: KaskProcess, count: number): Promise<Message[]> =>
    eventually(() => {
      const messages = rsyslog.messages().map(parse);
      const own = messages.filter(({ processId }) => processId === kask.pid);
      if (own.length >= count) return Promise.resolve(own);
      return Promise.reject(new Error(`only ${own.length} of ${count} messages came`));
    }, DEADLINE_MS);

  const linesOf = (kask: KaskProcess): string[] => kask.stdout.split('\n').slice(0, -1);

  describe.each([
    ['a Unix socket', () => ({ address: `unix:${rsyslog.socket}` })],
    ['UDP', () => ({ address: `udp://localhost:${port}` })],
    ['TCP', () => ({ address: `tcp://127.0.0.1:${port}` })],
    ['TLS', () => ({ address: `tls://localhost:${tlsPort}`, ca: authority.certificate })],
  ])('over %s', (_, receiver) => {
    it('has every line of standard output, the last ones as well, and no session key', async () => {
      const kask = await start(
        { ...receiver(), facility: 'local3' },
        { log_level: 'debug', service_name: 'sessions in ä' },
      );
      await request(kask.origin).put(kask.path(MARK)).send(MARK).expect(201);
      await request(kask.origin).get(kask.path(MARK)).set('X-Request-ID', 'the-request').expect(200);
      await request(kask.origin).get('/sessions/v1/%').expect(400);
      expect(await kask.stop()).toBe(0);
      const messages = await received(kask, linesOf(kask).length);
      expect(messages.map(({ line }) => line)).toEqual(linesOf(kask));
      for (const { facility, appName } of messages) {
        expect(facility).toBe(19);
        expect(appName).toBe('sessions_in__');
      }
      const severities = messages.map(({ line, severity }) => [
        (JSON.parse(line) as { level: string }).level,
        severity,
      ]);
      expect(new Set(severities.map(String))).toEqual(new Set(['DEBUG,7', 'INFO,6', 'WARNING,4']));
      expect(messages.some(({ line }) => line.includes('"request_id":"the-request"'))).toBe(true);
      expect(rsyslog.messages().join('')).not.toContain(MARK);
    });
  });

  it('is not spoken to under a name that its certificate does not have; that is said once', async () => {
    const kask = await start({ address: `tls://127.0.0.1:${tlsPort}`, ca: authority.certificate });
    const { reason } = await kask.waitForLog(({ msg }) => msg === 'syslog takes no lines');
    expect(reason).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    for (let i = 0; i < 5; i++) await request(kask.origin).get('/sessions/v1/%').expect(400);
    await new Promise((resolve) => setTimeout(resolve, 1_000)); // it tries again meanwhile
    expect(kask.logs().filter(({ msg }) => msg.startsWith('syslog'))).toHaveLength(1);
    expect(await kask.stop()).toBe(0);
    expect(
      rsyslog
        .messages()
        .map(parse)
        .some(({ processId }) => processId === kask.pid),
    ).toBe(false);
  });

  it('gets what was logged while it was away, and what is lost is nobody else’s trouble', async () => {
    await rsyslog.stop();
    const kask = await start({ address: `tcp://127.0.0.1:${port}` });
    await kask.waitForLog(({ msg }) => msg === 'syslog takes no lines');
    await request(kask.origin).get('/sessions/v1/%').set('X-Request-ID', 'while-away').expect(400);
    await rsyslog.start();
    const messages = await received(kask, 3);
    expect(messages.map(({ line }) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'syslog takes no lines',
      'listening',
      'session request',
    ]);
    await kask.waitForLog(({ msg }) => msg === 'syslog takes lines again', DEADLINE_MS);
    expect(await dropped(kask)).toBe(0);
    await kask.stop();
  });

  it('that takes nothing holds up no request and no shutdown; what it did not get is counted', async () => {
    const kask = await start({ address: `unix:${rsyslog.socket}` }, { log_level: 'debug' });
    await request(kask.origin).put(kask.path(MARK)).send(MARK).expect(201);
    const id = 'x'.repeat(256);
    const read = () =>
      fetch(kask.url(MARK), { headers: { 'x-request-id': id } }).then((answer) => answer.status);
    rsyslog.freeze();
    try {
      let requests = 0;
      for (; (await dropped(kask)) === 0 && requests < 40_000; requests += 500)
        for (let i = 0; i < 10; i++)
          expect(new Set(await Promise.all(Array.from({ length: 50 }, read)))).toEqual(new Set([200]));
      expect(await dropped(kask)).toBeGreaterThan(0);
      const lost = await dropped(kask);
      rsyslog.thaw();
      await eventually(async () => {
        await read();
        const before = await dropped(kask);
        await read();
        if ((await dropped(kask)) > before) throw new Error('lines are still dropped');
      }, DEADLINE_MS);
      const messages = await received(kask, requests - lost);
      expect(linesOf(kask)).toEqual(expect.arrayContaining(messages.map(({ line }) => line)));
      rsyslog.freeze();
      for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 50 }, read));
      expect(await kask.stop()).toBe(0);
    } finally {
      rsyslog.thaw();
    }
  });

  it.each([
    [{ address: 'tcp://localhost' }, ['log.syslog.address: found "tcp://localhost"; allowed: `unix:/path`']],
    [{ address: 'unix:log' }, ['log.syslog.address: found "unix:log"']],
    [{ facility: 'kern' }, ['log.syslog.address: found nothing', 'log.syslog.facility: found "kern"']],
    [
      { address: 'tls://localhost:6514', ca: '/none' },
      ['log.syslog.ca: found "/none", which cannot be read'],
    ],
  ])('is refused at start if it cannot be meant: %j', async (syslog, faults) => {
    const kask = KaskProcess.spawn({ storage: 'embedded', log: { syslog } });
    expect(await kask.exited).toBe(78);
    for (const fault of faults) expect(kask.stderr).toContain(fault);
  });

  it('takes no file for an authority that holds none', async () => {
    const ca = path.join(directory, 'no-ca.pem');
    writeFileSync(ca, 'nothing');
    const kask = KaskProcess.spawn({
      storage: 'embedded',
      log: { syslog: { address: 'tls://localhost:6514', ca } },
    });
    expect(await kask.exited).toBe(78);
    expect(kask.stderr).toContain('which holds something else');
  });
});

function parse(message: string): Message {
  const [, priority, , , appName = '', processId, line = ''] = MESSAGE.exec(message) ?? [];
  if (!priority) throw new Error(`not a message as RFC 5424 has it: ${message}`);
  return {
    facility: Math.floor(Number(priority) / 8),
    severity: Number(priority) % 8,
    appName,
    processId: Number(processId),
    line,
  };
}

async function dropped(kask: KaskProcess): Promise<number> {
  const text = await (await fetch(`${kask.origin}/metrics`)).text();
  return Number(/^kask_log_lines_dropped_total\{output="syslog"\} (\d+)$/m.exec(text)?.[1]);
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
