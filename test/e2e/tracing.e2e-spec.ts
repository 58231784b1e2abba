import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import request from 'supertest';
import {
  sharedCassandra,
  type TestKeyspace,
  uniqueKeyspace,
} from '../harness/cassandra/cluster-of-the-run.js';
import { eventually } from '../harness/cassandra/poll.js';
import { DATA_PATHS } from '../harness/data-paths.js';
import { KaskProcess } from '../harness/kask.js';
import { metric } from '../harness/metrics.js';
import { OtlpReceiver } from '../harness/otlp-receiver.js';

jest.setTimeout(120_000);

/** Stands in every session key and every value that these tests send. */
const MARK = 'MARKEDSESSIONKEY';
const SERVER = 2;
const CLIENT = 3;
const ERROR = 2;
const TRACE = '4bf92f3577b34da6a3ce929d0e0e47';
const CALLER = '00f067aa0ba902b7';
/** Of Span.flags in OTLP: sampled, and whether the parent is in another process is told. */
const OURS = 0x101;
const OF_A_CALLER = 0x301;

let receiver: OtlpReceiver;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'kask-tracing-'));
  writeFileSync(path.join(directory, 'log-key'), 'a secret of more than thirty-two bytes');
  receiver = await OtlpReceiver.start();
});
afterAll(async () => {
  await receiver.stop();
  rmSync(directory, { recursive: true });
});

const embedded = (tracing: object, more: object = {}): Promise<KaskProcess> =>
  KaskProcess.start({
    storage: 'embedded',
    embedded: { path: path.join(directory, 'data') },
    tracing: { endpoint: receiver.endpoint, ...tracing },
    ...more,
  });

/** A caller's header, of a trace that ends in these two digits. */
const calledBy = (digits: string, flags = '01') => ({
  traceparent: `00-${TRACE}${digits}-${CALLER}-${flags}`,
});

describe.each(DATA_PATHS)('a traced request, by the %s', (data_path) => {
  let keyspace: TestKeyspace;
  let kask: KaskProcess;
  const pathDigit = data_path === 'lane' ? 'a' : 'b';
  const { hosts, port, datacenter } = sharedCassandra();
  beforeAll(async () => {
    keyspace = await uniqueKeyspace();
    kask = await KaskProcess.start({
      cassandra: { hosts, port, keyspace: keyspace.name, local_dc: datacenter, data_path },
      log_key_file: path.join(directory, 'log-key'),
      log_level: 'debug',
      service_name: 'sessions',
      tracing: { endpoint: receiver.endpoint, sample_ratio: 0 },
    });
  });
  afterAll(async () => {
    await kask.stop();
    await keyspace.drop();
  });

  it.each([
    ['post', 'POST', 201, 'INSERT', 'local_quorum', '1'],
    ['get', 'GET', 200, 'SELECT', 'local_quorum', '2'],
    ['delete', 'DELETE', 204, 'DELETE', 'each_quorum', '3'],
    ['get', 'GET', 404, 'SELECT', 'local_quorum', '4'],
  ] as const)(
    '%s has a span of its own and one of Cassandra (%s %i)',
    async (method, name, status, verb, level, digit) => {
      const digits = digit + pathDigit;
      await request(kask.origin)
        [method](kask.path(MARK))
        .set({ ...calledBy(digits), tracestate: 'vendor=opaque' })
        .send(method === 'post' ? MARK : undefined)
        .expect(status);
      const [server, client, ...others] = await receiver.trace(TRACE + digits, 2);
      expect(others).toEqual([]);
      expect(server).toMatchObject({
        parentSpanId: CALLER,
        traceState: 'vendor=opaque',
        flags: OF_A_CALLER,
        name: `${name} /sessions/v1/:key`,
        kind: SERVER,
        status: {},
        resource: { 'service.name': 'sessions', 'service.version': expect.any(String) as string },
      });
      expect(server?.attributes).toEqual({
        'http.request.method': name,
        'http.route': '/sessions/v1/:key',
        'http.response.status_code': status,
        'url.scheme': 'http',
        'network.protocol.version': '1.1',
        'server.address': '127.0.0.1',
        'kask.session': expect.stringMatching(/^[\da-f]{4}-[\da-f]{16}$/) as string,
      });
      expect(client).toMatchObject({
        parentSpanId: server?.spanId,
        flags: OURS,
        name: `${verb} ${keyspace.name}.values`,
        kind: CLIENT,
        status: {},
        events: [],
      });
      expect(client?.attributes).toEqual({
        'db.system.name': 'cassandra',
        'db.operation.name': verb,
        'db.namespace': keyspace.name,
        'db.collection.name': 'values',
        'cassandra.consistency.level': level,
        'cassandra.speculative_execution.count': 0,
        'kask.attempts': 1,
        'server.address': hosts[0],
        'server.port': port,
      });
      expect(BigInt(client!.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(server!.startTimeUnixNano));
      expect(BigInt(client!.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(server!.endTimeUnixNano));
      const line = await kask.waitForLog(({ trace_id }) => trace_id === TRACE + digits);
      expect(line).toMatchObject({ msg: 'session request', session: server?.attributes['kask.session'] });
    },
  );

  it('is none where its caller says that it is not, and its line has no trace_id', async () => {
    const digits = `5${pathDigit}`;
    const headers = { ...calledBy(digits, '00'), 'X-Request-ID': digits };
    await request(kask.origin).get(kask.path(MARK)).set(headers).expect(404);
    const line = await kask.waitForLog(({ request_id }) => request_id === digits);
    expect(line).not.toHaveProperty('trace_id');
    // What comes after it has arrived: so would it.
    await request(kask.origin)
      .get(kask.path(MARK))
      .set(calledBy(`6${pathDigit}`))
      .expect(404);
    await receiver.trace(`${TRACE}6${pathDigit}`, 2);
    expect(receiver.spans.filter(({ traceId }) => traceId === TRACE + digits)).toEqual([]);
  });
});

it('a request that Cassandra cannot serve has both spans at fault, with the reason', async () => {
  const kask = await KaskProcess.start({
    cassandra: { hosts: ['127.0.0.1'], port: 1, local_dc: 'dc1', connect_timeout_ms: 500 },
    tracing: { endpoint: receiver.endpoint, sample_ratio: 0 },
  });
  await request(kask.origin).get(kask.path(MARK)).set(calledBy('c0')).expect(503);
  const [server, client] = await receiver.trace(`${TRACE}c0`, 2);
  for (const span of [server, client]) {
    expect(span).toMatchObject({
      status: { code: ERROR, message: 'unavailable' },
      attributes: { 'error.type': 'unavailable' },
    });
  }
  expect(client?.attributes).not.toHaveProperty('server.address');
  await kask.stop();
});

describe('a trace that no caller began', () => {
  it('begins with the share of requests that is configured', async () => {
    const all = await embedded({ sample_ratio: 1 });
    const before = receiver.spans.length;
    for (let i = 0; i < 20; i++) await request(all.origin).get(all.path(MARK)).expect(404);
    expect(await all.stop()).toBe(0); // what waits is sent at the end
    const spans = receiver.spans.slice(before);
    expect(spans).toHaveLength(20);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(20);
    for (const { traceId, spanId, parentSpanId, flags } of spans) {
      expect([traceId, spanId]).toEqual([
        expect.stringMatching(/^[\da-f]{32}$/),
        expect.stringMatching(/^[\da-f]{16}$/),
      ]);
      expect([parentSpanId, flags]).toEqual([undefined, OURS]);
    }
    const none = await embedded({ sample_ratio: 0 });
    for (let i = 0; i < 20; i++) await request(none.origin).get(none.path(MARK)).expect(404);
    await none.stop();
    expect(receiver.spans).toHaveLength(before + 20);
  });

  it('begins also where the header is none, and ends as the client saw it', async () => {
    const kask = await embedded({ sample_ratio: 1 });
    const before = receiver.spans.length;
    await request(kask.origin)
      .get(kask.path(MARK))
      .set('traceparent', `00-${'0'.repeat(32)}-${CALLER}-01`)
      .expect(404);
    await request(kask.origin).get('/sessions/v1/%').set('traceparent', MARK).expect(400);
    await request(kask.origin).propfind('/sessions/v1/a').expect(405);
    await request(kask.origin).get('/healthz').expect(200);
    await kask.stop();
    const [, fault, odd, ...others] = receiver.spans.slice(before);
    expect(fault).toMatchObject({ status: {}, attributes: { 'http.response.status_code': 400 } });
    expect(fault?.attributes).not.toHaveProperty('kask.session');
    expect(odd).toMatchObject({
      name: 'HTTP /sessions/v1/:key',
      attributes: { 'http.request.method': '_OTHER', 'http.request.method_original': 'PROPFIND' },
    });
    expect(others).toEqual([]);
  });
});

describe('a collector', () => {
  const burst = async (kask: KaskProcess, rounds: number): Promise<void> => {
    const read = () => fetch(kask.url(MARK)).then(({ status }) => status);
    for (let i = 0; i < rounds; i++)
      expect(new Set(await Promise.all(Array.from({ length: 50 }, read)))).toEqual(new Set([404]));
  };

  it('that does not answer holds up no request and no shutdown; what is lost is counted', async () => {
    const kask = await embedded({ sample_ratio: 1 });
    receiver.status = undefined;
    await burst(kask, 60);
    expect(await metric(kask, 'kask_spans_dropped_total')).toBe(3_000 - 2_048);
    expect(await kask.stop()).toBe(0);
    receiver.status = 200;
  });

  it('that was away gets what waited for it; it is told once that it was', async () => {
    const away = await OtlpReceiver.start();
    const { endpoint } = away;
    await away.stop();
    const kask = await embedded({ endpoint, sample_ratio: 1 });
    await burst(kask, 4);
    await kask.waitForLog(({ msg, reason }) => msg === 'traces are not taken' && reason === 'ECONNREFUSED');
    const back = await OtlpReceiver.start(Number(new URL(endpoint).port));
    await eventually(() => Promise.resolve(expect(back.spans).toHaveLength(200)), 30_000);
    await kask.waitForLog(({ msg }) => msg === 'traces are taken again');
    expect(kask.logs().filter(({ msg }) => msg.startsWith('traces'))).toHaveLength(2);
    expect(await metric(kask, 'kask_spans_dropped_total')).toBe(0);
    await kask.stop();
    await back.stop();
  });

  it('that refuses them for good is not asked again', async () => {
    const kask = await embedded({ sample_ratio: 1 });
    receiver.status = 400;
    await burst(kask, 1);
    await eventually(async () => expect(await metric(kask, 'kask_spans_dropped_total')).toBe(50), 20_000);
    receiver.status = 200;
    await kask.stop();
  });
});

it('no session key is in anything that was exported', () => {
  expect(receiver.bodies.length).toBeGreaterThan(0);
  expect(receiver.bodies.join('')).not.toContain(MARK);
});

it.each([
  [{ endpoint: 'collector:4318' }, ['tracing.endpoint: found "collector:4318"; allowed: URL']],
  [{ endpoint: 'http://user:password@collector' }, ['tracing.endpoint: found a text that is not shown']],
  [
    { sample_ratio: 1.5 },
    ['tracing.endpoint: found nothing', 'tracing.sample_ratio: found "1.5"; allowed: a number from 0 to 1'],
  ],
])('is refused at start if it cannot be meant: %j', async (tracing, faults) => {
  const kask = KaskProcess.spawn({ storage: 'embedded', tracing });
  expect(await kask.exited).toBe(78);
  for (const fault of faults) expect(kask.stderr).toContain(fault);
});
