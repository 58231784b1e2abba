import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import request from 'supertest';
import { sharedCassandra, uniqueKeyspace } from '../harness/cassandra/cluster-of-the-run.js';
import { createCertificates } from '../harness/certificates.js';
import { CqlProxy } from '../harness/cql-proxy.js';
import { KaskProcess } from '../harness/kask.js';
import { metric, untilInFlight } from '../harness/metrics.js';
import { RawConnection, requestBytes } from '../harness/raw-http.js';
import { untilReady } from '../harness/readiness.js';

const LEAVING = 'shutting down: not ready any more, still serving';

describe('shutdown', () => {
  let directory: string;
  let kask: KaskProcess;
  beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'kask-shutdown-'))));
  afterEach(() => rmSync(directory, { recursive: true }));

  const start = async (settings: Record<string, unknown> = {}): Promise<KaskProcess> =>
    (kask = await KaskProcess.start({ storage: 'embedded', embedded: { path: directory }, ...settings }));

  it.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 on %s and keeps what was stored', async (signal) => {
    await start();
    await request(kask.origin).put(kask.path('key')).send('value').expect(201);
    kask.signal(signal);
    expect(await kask.exited).toBe(0);
    await start();
    const { body } = await request(kask.origin).get(kask.path('key')).expect(200);
    expect(String(body)).toBe('value');
    expect(await kask.stop()).toBe(0);
  });

  it('is not ready at once, and serves until the delay has passed', async () => {
    await start({ shutdown_delay_ms: 1_500 });
    await request(kask.origin).get('/healthz/ready').expect(200);
    const signalled = Date.now();
    kask.signal('SIGTERM');
    await kask.waitForLog(({ msg }) => msg === LEAVING);

    const ready = await request(kask.origin).get('/healthz/ready').expect(503);
    expect(ready.body.error).toEqual({ service: { status: 'down', reason: 'shutting down' } });
    await request(kask.origin).get('/healthz/live').expect(200);
    await request(kask.origin).get('/healthz').expect(200);
    const answer = await request(kask.origin).put(kask.path('key')).send('value').expect(201);
    expect(answer.headers.connection).toBe('close');

    expect(await kask.exited).toBe(0);
    expect(Date.now() - signalled).toBeGreaterThanOrEqual(1_500);
  });

  it('finishes a request whose body is still on its way, and takes no new connections', async () => {
    await start();
    const upload = http.request(kask.url('slow'), { method: 'PUT', headers: { 'content-length': 10 } });
    const answered = new Promise<http.IncomingMessage>((resolve) => upload.on('response', resolve));
    upload.write('01234');
    await untilInFlight(kask, 1);
    kask.signal('SIGTERM');
    await kask.waitForLog(({ msg }) => msg === LEAVING);
    await refusesConnections(kask);
    upload.end('56789');
    expect((await answered).statusCode).toBe(201);
    expect(await kask.exited).toBe(0);

    await start();
    const { body } = await request(kask.origin).get(kask.path('slow')).expect(200);
    expect(String(body)).toBe('0123456789');
    await kask.stop();
  });

  it('does not wait for idle connections that clients keep', async () => {
    await start({ shutdown_timeout_ms: 30_000 });
    const agent = new http.Agent({ keepAlive: true });
    await Promise.all([1, 2, 3].map(() => get(kask.url('absent'), agent)));
    kask.signal('SIGTERM');
    expect(await Promise.race([kask.exited, sleep(10_000, 'still running', { ref: false })])).toBe(0);
    agent.destroy();
  });

  it('ends with 1 past its deadline and says what it cut', async () => {
    await start({ shutdown_timeout_ms: 300 });
    const uploads = [1, 2].map((each) =>
      http.request(kask.url(`slow${each}`), { method: 'PUT', headers: { 'content-length': 10 } }),
    );
    for (const upload of uploads) upload.on('error', () => undefined).write('01234');
    await untilInFlight(kask, 2);
    kask.signal('SIGTERM');
    expect(await kask.exited).toBe(1);
    expect(kask.logs().at(-1)).toMatchObject({
      level: 'ERROR',
      msg: 'shut down too slowly: requests in flight were cut',
      requests: 2,
    });
  });

  it('closes connections that have no request in flight, whatever they sent so far', async () => {
    await start({ shutdown_timeout_ms: 5_000 });
    const get = requestBytes({ target: kask.path('absent') });
    const [silent, begun, kept] = [await open(), await open(), await open()];
    await begun.deliver(get.subarray(0, 30));
    await kept.deliver(get);
    expect(await kept.answer()).toMatchObject({ status: 404 });
    await kept.deliver(get.subarray(0, 30));

    expect(await kask.stop()).toBe(0);
    await Promise.all([silent, begun, kept].map((each) => each.untilEnded()));
    expect(kask.logs().at(-1)).toMatchObject({ msg: LEAVING });
  });

  it('does the same over TLS, and finishes what is in flight', async () => {
    const certificates = createCertificates({ addresses: ['127.0.0.1'] });
    const tls = { cert: certificates.serverCertificate, key: certificates.serverKey };
    await start({ shutdown_timeout_ms: 10_000, tls });
    const ca = readFileSync(certificates.ca);
    const withoutHandshake = await open(kask.origin.replace('https', 'http'));
    const [silent, upload] = [await open(kask.origin, ca), await open(kask.origin, ca)];
    await upload.deliver(
      requestBytes({ method: 'PUT', target: kask.path('slow'), body: '0123456789' }).subarray(0, -5),
    );
    await sleep(500);
    kask.signal('SIGTERM');
    await Promise.all([silent, withoutHandshake].map((each) => each.untilEnded()));
    upload.send('56789');
    expect(await upload.answer('PUT')).toMatchObject({ status: 201 });
    expect(await kask.exited).toBe(0);
    expect(kask.logs().at(-1)).toMatchObject({ msg: LEAVING });
    rmSync(certificates.directory, { recursive: true });
  });

  it('skips what is left of the delay on a second signal, ignores more, and still finishes what is in flight', async () => {
    await start({ shutdown_delay_ms: 600_000 });
    const upload = await open();
    await upload.deliver(
      requestBytes({ method: 'PUT', target: kask.path('slow'), body: '0123456789' }).subarray(0, -5),
    );
    await untilInFlight(kask, 1);
    kask.signal('SIGTERM');
    await kask.waitForLog(({ msg }) => msg === LEAVING);
    kask.signal('SIGINT');
    await refusesConnections(kask);
    kask.signal('SIGTERM');
    kask.signal('SIGINT');
    await sleep(200);
    upload.send('56789');
    expect(await upload.answer('PUT')).toMatchObject({ status: 201 });
    expect(await kask.exited).toBe(0);
  });

  it('ends with 0 on a signal that comes while it loads', async () => {
    kask = KaskProcess.spawn(
      { storage: 'embedded', embedded: { path: directory } },
      { env: { KASK_NO_SUCH_SETTING: 'x' } },
    );
    await kask.waitForLog(({ level }) => level === 'WARNING');
    expect(await kask.stop()).toBe(0);
    expect(kask.logs().map(({ msg }) => msg)).not.toContain('listening');
  });

  it('ends while it waits for a Cassandra that is away', async () => {
    kask = await KaskProcess.start({ cassandra: { hosts: ['127.255.255.1'], local_dc: 'eqiad' } });
    expect(await kask.stop()).toBe(0);
  });

  describe('with a Cassandra that takes connections and does not answer', () => {
    let frozen: net.Server;
    const held = new Set<net.Socket>();
    const spawn = (): KaskProcess => {
      const { port } = frozen.address() as net.AddressInfo;
      const cassandra = { hosts: ['127.0.0.1'], port, local_dc: 'eqiad', connect_timeout_ms: 600_000 };
      return (kask = KaskProcess.spawn({ cassandra }));
    };
    beforeEach(async () => {
      frozen = net.createServer((socket) => held.add(socket.on('error', () => undefined)));
      await new Promise<void>((resolve) => frozen.listen(0, '127.0.0.1', resolve));
    });
    afterEach(() => {
      frozen.close();
      for (const socket of held) socket.destroy();
    });

    it('listens nevertheless, and says why it is not ready', async () => {
      spawn();
      kask.origin = (await kask.waitForLog(({ msg }) => msg === 'listening')).origin as string;
      const { body } = await request(kask.origin).get('/healthz/ready').expect(503);
      expect(JSON.stringify(body)).toContain('not connected to Cassandra');
      expect(await kask.stop()).toBe(0);
    });

    it('ends with 0 on a signal during the first attempt', async () => {
      const attempted = new Promise((resolve) => frozen.once('connection', resolve));
      spawn();
      await attempted;
      expect(await kask.stop()).toBe(0);
      expect(kask.logs()).toMatchObject([{ msg: 'told to stop before it listened', signal: 'SIGTERM' }]);
    });
  });

  it('does not wait for answers that a frozen Cassandra owes to requests it gave up', async () => {
    const { hosts, port, datacenter } = sharedCassandra();
    const keyspace = await uniqueKeyspace();
    const proxy = await CqlProxy.start(hosts[0] as string, port);
    kask = await KaskProcess.start({
      cassandra: {
        hosts: ['127.0.0.1'],
        port: proxy.port,
        local_dc: datacenter,
        keyspace: keyspace.name,
        query_timeout_ms: 1_000,
      },
      shutdown_timeout_ms: 6_000,
    });
    await untilReady(kask);
    proxy.delayMs = 600_000;
    const answer = get(kask.url('key'));
    while ((await metric(kask, 'kask_cassandra_requests_in_flight')) === 0) await sleep(20);
    await untilInFlight(kask, 1);
    expect(await kask.stop()).toBe(0);
    expect(await answer).toBe(504);
    expect(kask.logs().map(({ msg }) => msg)).not.toContainEqual(expect.stringContaining('too slowly'));
    await proxy.stop();
    await keyspace.drop();
  });

  const open = (origin = kask.origin, ca?: Buffer): Promise<RawConnection> => RawConnection.open(origin, ca);
});

describe('a rolling restart under load', () => {
  it('fails no request of clients that follow readiness', async () => {
    const { hosts, port, datacenter } = sharedCassandra();
    const keyspace = await uniqueKeyspace();
    const cassandra = { hosts, port, local_dc: datacenter, keyspace: keyspace.name };
    const startPod = (): Promise<KaskProcess> => KaskProcess.start({ cassandra, shutdown_delay_ms: 2_000 });
    const pods = [await startPod(), await startPod()];
    await Promise.all(pods.map((pod) => untilReady(pod)));
    const balancer = new Balancer(pods);
    const load = Array.from({ length: 8 }, (_, client) => balancer.loadOf(client));

    for (const slot of [0, 1]) {
      await sleep(1_000);
      const leaving = pods[slot] as KaskProcess;
      const replacement = startPod();
      expect(await leaving.stop()).toBe(0);
      pods[slot] = await replacement;
    }
    await sleep(1_000);
    balancer.stop();
    await Promise.all(load);
    await Promise.all(pods.map((pod) => pod.stop()));
    await keyspace.drop();

    console.log(`rolling restart: ${balancer.requests} requests, ${balancer.failures.length} failures`);
    expect(balancer.failures).toEqual([]);
    expect(balancer.requests).toBeGreaterThan(500);
  });
});

/** What stands before our pods in production, in small: sends requests to those that were ready when last asked. */
class Balancer {
  requests = 0;
  readonly failures: string[] = [];
  private ready: KaskProcess[] = [];
  private running = true;
  private readonly agent = new http.Agent({ keepAlive: true });
  private readonly probing: Promise<void>;

  constructor(private readonly pods: KaskProcess[]) {
    this.ready = [...pods];
    this.probing = this.followReadiness();
  }

  /** One client's sessions, written, read and deleted as fast as it is answered. */
  async loadOf(client: number): Promise<void> {
    for (let i = 0; this.running; i++) {
      const key = `client${client}:${i}`;
      await this.ask('PUT', key, 201, 'value');
      await this.ask('GET', key, 200);
      await this.ask('DELETE', key, 204);
      await this.ask('GET', key, 404);
    }
    await this.probing;
  }

  stop(): void {
    this.running = false;
  }

  private async ask(method: string, key: string, expected: number, body?: string): Promise<void> {
    const pod = this.ready[this.requests++ % this.ready.length] as KaskProcess;
    const outcome = await send(method, pod.url(key), this.agent, body).catch((error: Error) => error.message);
    if (outcome !== expected) this.failures.push(`${method}: ${outcome}`);
  }

  private async followReadiness(): Promise<void> {
    while (this.running) {
      const pods = [...this.pods];
      const answers = await Promise.all(pods.map((pod) => get(`${pod.origin}/healthz/ready`).catch(() => 0)));
      const ready = pods.filter((_, i) => answers[i] === 200);
      if (ready.length > 0) this.ready = ready;
      await sleep(100);
    }
  }
}

function get(url: string, agent?: http.Agent): Promise<number | undefined> {
  return send('GET', url, agent);
}

function send(method: string, url: string, agent?: http.Agent, body?: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = http.request(url, { method, agent }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function refusesConnections(kask: KaskProcess): Promise<void> {
  while ((await get(`${kask.origin}/healthz/live`).catch(() => 'refused')) !== 'refused') await sleep(20);
}
