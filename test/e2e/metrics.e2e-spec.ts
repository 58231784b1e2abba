import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { METHODS } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createCertificates } from '../harness/certificates.js';
import { METRICS_DOCUMENT as DOCUMENT, type Metric, section } from '../harness/documented-metrics.js';
import { tally } from '../harness/request-counts.js';
import { KaskProcess } from '../harness/kask.js';
import { SealingKeyFiles } from '../harness/sealing-keys.js';
import { exchange, LAST_CHUNK, type RawRequest } from '../harness/raw-http.js';

jest.setTimeout(60_000);

const BASE = '/sessions/v1/';
// The contract's, which dashboards have too.
const BUCKETS = ['0.001', '0.0025', '0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '+Inf'];
const MARK = 'mArKeDkEy';

interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

class Scrape {
  constructor(readonly text: string) {}

  static async of(kask: KaskProcess): Promise<Scrape> {
    const ca = readFileSync(certificates.ca);
    return new Scrape((await exchange(kask.origin, { target: '/metrics' }, ca)).body.toString());
  }

  get types(): Map<string, string> {
    return new Map(
      [...this.text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
    );
  }

  samples(name: string): Sample[] {
    return this.all().filter((sample) => sample.name === name);
  }

  all(): Sample[] {
    const lines = this.text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return lines.map((line) => {
      const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', text = '']) => [
        label,
        text,
      ]);
      return { name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) };
    });
  }

  /** Those that are ours, with the labels that their samples have. */
  ownMetrics(): Metric[] {
    return [...this.types]
      .filter(([name]) => !/^(process|nodejs)_/.test(name))
      .map(([name, type]) => ({ name, type, labels: this.labelsOf(name, type) }));
  }

  /** Of the first sample; a test that wants them to be seen has caused one. */
  private labelsOf(name: string, type: string): string[] {
    const [sample] = this.samples(type === 'histogram' ? `${name}_count` : name);
    return Object.keys(sample?.labels ?? {}).sort();
  }
}

let kask: KaskProcess;
let away: KaskProcess;
let secure: KaskProcess;
const certificates = createCertificates({ addresses: ['127.0.0.1'] });
let sealed: KaskProcess;
let budgeted: KaskProcess;

const directory = mkdtempSync(path.join(tmpdir(), 'kask-metrics-'));

beforeAll(async () => {
  const key_file = path.join(directory, 'keys');
  new SealingKeyFiles().write(key_file, ['value a', 'row a']);
  sealed = await KaskProcess.start({ storage: 'embedded', encryption: { key_file } });
  await exchange(sealed.origin, { target: `${BASE}absent` });
  const namespaces = { locks: { keys: ['*:lock'], write_bytes_per_second: 1_000 } };
  budgeted = await KaskProcess.start({ storage: 'embedded', namespaces });
  await exchange(budgeted.origin, { target: `${BASE}absent` });
  kask = await KaskProcess.start({ storage: 'embedded', max_value_bytes: 1_000 });
  away = await KaskProcess.start({
    // Port 1 of this machine refuses connections.
    cassandra: { hosts: ['127.0.0.1'], port: 1, local_dc: 'dc1', connect_timeout_ms: 500 },
  });
  const tls = { cert: certificates.serverCertificate, key: certificates.serverKey };
  secure = await KaskProcess.start({ storage: 'embedded', tls });
  await exchange(secure.origin, { target: `${BASE}absent` }, readFileSync(certificates.ca));
});
afterAll(async () => {
  await secure?.stop();
  rmSync(certificates.directory, { recursive: true });
  await kask?.stop();
  await away?.stop();
  await sealed?.stop();
  await budgeted?.stop();
  rmSync(directory, { recursive: true });
});

// Everything that a client under base_uri can be answered with, and what does not count.
const UNDER_BASE: RawRequest[] = [
  { method: 'GET', target: `${BASE}absent` },
  { method: 'HEAD', target: `${BASE}absent` },
  { method: 'POST', target: `${BASE}key`, body: 'x' },
  { method: 'PUT', target: `${BASE}key`, body: 'y' },
  { method: 'GET', target: `${BASE}key` },
  { method: 'GET', target: `http://other.test${BASE}key` },
  { method: 'HEAD', target: `${BASE}key` },
  { method: 'DELETE', target: `${BASE}key` },
  { method: 'DELETE', target: `${BASE}key` },
  { method: 'POST', target: `${BASE}key` },
  { method: 'PUT', target: `${BASE}key`, body: 'x'.repeat(1_001) },
  { method: 'POST', target: `${BASE}key`, headers: { 'Transfer-Encoding': 'chunked' }, body: chunked(1_001) },
  { method: 'GET', target: `${BASE}key?a=b` },
  { method: 'GET', target: `${BASE}%FF` },
  { method: 'GET', target: `${BASE}%zz` },
  { method: 'GET', target: BASE },
  { method: 'GET', target: `${BASE}a/b` },
  { method: 'PATCH', target: `${BASE}key`, body: 'x' },
  { method: 'PATCH', target: `${BASE}key` },
  { method: 'PUT', target: `${BASE}key`, headers: { 'If-Match': '*' }, body: 'x' },
  { method: 'OPTIONS', target: `${BASE}a/b?c` },
  { method: 'PURGE', target: `${BASE}%zz` },
  { method: 'GET', target: `${BASE}key`, headers: { Expect: 'the-moon' } },
];
const ELSEWHERE: RawRequest[] = [
  ...['/healthz', '/healthz/live', '/healthz/ready', '/metrics', '/openapi'].flatMap(
    (target): RawRequest[] => [{ target }, { method: 'POST', target, body: 'x' }],
  ),
  { target: '/sessions/v1' },
  { target: '/nothing' },
  { target: '/%zz' },
  { method: 'POST', target: '/sessions/v2/key', body: 'x' },
  { method: 'BOGUS', target: `${BASE}key` },
  { target: `${BASE}key`, headers: { 'X-Overflow': 'x'.repeat(17_000) } },
];

describe('requests', () => {
  it('that failed are there before the first, so that a rate sees it', async () => {
    const fresh = await KaskProcess.start({ storage: 'embedded' });
    const scrape = await Scrape.of(fresh);
    const failures = scrape.samples('http_requests_total').map(({ labels, value }) => [labels.code, value]);
    expect(failures).toEqual(
      Array(5)
        .fill([
          ['500', 0],
          ['503', 0],
          ['504', 0],
        ])
        .flat(),
    );
    await fresh.stop();
  });

  it('are counted under base_uri, each with the status that the client saw', async () => {
    const seen: string[] = [];
    for (const request of UNDER_BASE) {
      const { status } = await exchange(kask.origin, request);
      seen.push(`${request.method} ${status}`);
    }
    for (const request of ELSEWHERE) await exchange(kask.origin, request);
    const scrape = await Scrape.of(kask);
    expect(counts(scrape.samples('http_requests_total'))).toEqual(tally(seen));
    expect(counts(scrape.samples('http_request_duration_seconds_count'))).toEqual(tally(seen));
    expect(scrape.samples('kask_http_requests_in_flight')).toMatchObject([{ value: 0 }]);
    expect(new Set(seen.map((request) => request.split(' ')[1]))).toEqual(
      new Set(['200', '201', '204', '400', '404', '405', '413', '415']),
    );
  });

  it('without a storage are counted as what they are', async () => {
    const seen = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
    for (const method of seen) {
      const body = method === 'PATCH' ? undefined : 'x';
      await exchange(away.origin, { method, target: `${BASE}key`, body });
    }
    const scrape = await Scrape.of(away);
    expect(counts(scrape.samples('http_requests_total'))).toEqual(
      tally(seen.map((method) => `${method} 503`)),
    );
    expect(results(scrape)).toEqual({
      'delete delete_pending': 1,
      'get unavailable': 2,
      'set unavailable': 2,
      'touch unavailable': 1,
    });
  });

  it('are timed in the buckets of the contract', async () => {
    const scrape = await Scrape.of(kask);
    for (const name of ['http_request_duration_seconds', 'kask_storage_operation_duration_seconds']) {
      const buckets = scrape
        .samples(`${name}_bucket`)
        .map(({ labels: { le, ...labels } }) => [JSON.stringify(labels), le]);
      for (const series of new Set(buckets.map(([labels]) => labels))) {
        expect(buckets.filter(([labels]) => labels === series).map(([, le]) => le)).toEqual(BUCKETS);
      }
      expect(buckets).not.toHaveLength(0);
    }
  });
});

describe('storage', () => {
  it('is counted and timed by operation and result', async () => {
    const fresh = await KaskProcess.start({ storage: 'embedded' });
    const times = {
      'PUT a': 3,
      'PUT b': 1,
      'GET a': 4,
      'GET absent': 2,
      'HEAD b': 1,
      'DELETE a': 2,
      'POST %zz': 5,
    };
    for (const [request, count] of Object.entries(times)) {
      const [method, key = ''] = request.split(' ');
      for (let i = 0; i < count; i++) await exchange(fresh.origin, { method, target: BASE + key, body: 'x' });
    }
    const scrape = await Scrape.of(fresh);
    expect(results(scrape)).toEqual({ 'delete ok': 2, 'get miss': 2, 'get ok': 5, 'set ok': 4 });
    const timed = scrape.samples('kask_storage_operation_duration_seconds_count');
    expect(Object.fromEntries(timed.map(({ labels, value }) => [labels.operation, value]))).toEqual({
      delete: 2,
      get: 7,
      set: 4,
    });
    expect(scrape.samples('kask_embedded_sessions')).toMatchObject([{ value: 1 }]);
    await fresh.stop();
  });

  it('is up or not', async () => {
    expect((await Scrape.of(kask)).samples('kask_storage_up')).toMatchObject([{ value: 1 }]);
    const scrape = await Scrape.of(away);
    expect(scrape.samples('kask_storage_up')).toMatchObject([{ value: 0 }]);
    const ofCassandra = scrape.all().filter(({ name }) => name.startsWith('kask_cassandra_'));
    expect(ofCassandra.filter(({ value }) => value !== 0)).toEqual([]);
    expect(ofCassandra.length).toBeGreaterThanOrEqual(4);
  });
});

describe('labels', () => {
  it('of kask_build_info are what /healthz says', async () => {
    const health = JSON.parse(
      (await exchange(kask.origin, { target: '/healthz' })).body.toString(),
    ) as object;
    const [info, ...others] = (await Scrape.of(kask)).samples('kask_build_info');
    expect(health).toMatchObject(info?.labels ?? {});
    expect(Object.keys(info?.labels ?? {}).sort()).toEqual([
      'build_date',
      'build_host',
      'go_version',
      'version',
    ]);
    expect([info?.value, others]).toEqual([1, []]);
  });

  it('hold no key, whatever is done with it', async () => {
    for (const service of [kask, away]) {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'PROPFIND', MARK]) {
        for (const rest of [
          MARK,
          `${MARK}?${MARK}`,
          `${MARK}/${MARK}`,
          `${MARK}%zz`,
          `${MARK}%FF`,
          `${MARK}%00`,
        ]) {
          const headers = { 'X-Request-ID': MARK, 'Content-Type': MARK, 'User-Agent': MARK };
          await exchange(service.origin, { method, target: BASE + rest, headers, body: MARK });
          await exchange(service.origin, { method, target: `/${rest}`, headers, body: MARK });
        }
      }
      expect((await Scrape.of(service)).text).not.toContain(MARK);
    }
  });

  it('have no more values, whatever methods and paths there are', async () => {
    const methods = METHODS.filter((method) => method !== 'CONNECT');
    const attack = async (round: string) => {
      for (const method of [...methods, 'BOGUS', `X${round}`, 'get']) {
        for (const rest of ['', 'a', '%zz', '?q', '/b']) {
          await exchange(kask.origin, { method, target: `${BASE}${round}${rest}`, body: 'x' });
        }
      }
    };
    await attack('first');
    const before = await Scrape.of(kask);
    await attack('second');
    const after = await Scrape.of(kask);
    const series = (scrape: Scrape) =>
      scrape
        .ownMetrics()
        .map(({ name }) => [name, scrape.all().filter((sample) => sample.name.startsWith(name)).length]);
    expect(series(after)).toEqual(series(before));
    const unusual = after.samples('http_requests_total').filter(({ labels }) => labels.code === '405');
    expect(unusual.every(({ labels }) => methods.includes(labels.method ?? ''))).toBe(true);
  });
});

describe('docs/metrics.md', () => {
  const ALWAYS = section('Always');

  it.each([
    [['`storage: embedded`'], () => kask],
    [['`storage: cassandra`'], () => away],
    [['`storage: embedded`', '`tls.cert`'], () => secure],
    [['`storage: embedded`', '`encryption.key_file`'], () => sealed],
    [['`storage: embedded`', '`namespaces.*.write_bytes_per_second`'], () => budgeted],
  ])('has every metric of a service with %s, and no other', async (settings, service) => {
    const documented = [...ALWAYS, ...settings.flatMap((setting) => section(`With ${setting}`))];
    const names = ({ name, type, labels }: Metric) => ({ name, type, labels });
    expect(byName((await Scrape.of(service())).ownMetrics())).toEqual(byName(documented.map(names)));
  });

  it('has every value that a label was seen with', async () => {
    const documented = new Map(ALWAYS.map((metric) => [metric.name, metric]));
    for (const service of [kask, away]) {
      for (const { name, labels } of (await Scrape.of(service)).all()) {
        const values = documented.get(name.replace(/_(bucket|sum|count)$/, ''))?.values;
        for (const [label, value] of Object.entries(values ? labels : {})) {
          if (label === 'le' || (label === 'method' && labels.code === '405')) continue;
          const possible = values?.get(label);
          if (possible)
            expect([name, label, possible]).toEqual([name, label, expect.arrayContaining([value])]);
        }
      }
    }
  });

  it('gives the buckets', () => {
    const text = DOCUMENT.slice(DOCUMENT.indexOf('in buckets up to'), DOCUMENT.indexOf('## Always'));
    expect(text.match(/\.?\d+/g)?.map((bound) => String(Number(bound)))).toEqual(BUCKETS.slice(0, -1));
  });

  it('tells of the metrics of the process', async () => {
    const others = [...(await Scrape.of(kask)).types.keys()].filter((name) => !/^(http|kask)_/.test(name));
    expect(others.length).toBeGreaterThan(20);
    for (const prefix of new Set(others.map((name) => name.replace(/_.*/, '_')))) {
      expect(DOCUMENT).toContain(`\`${prefix}\``);
    }
  });
});

function byName(metrics: Metric[]): Metric[] {
  return metrics.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Less the zeros, of which failures have one from the start. */
function counts(samples: Sample[]): Record<string, number> {
  const counted = samples.filter(({ value }) => value > 0);
  return Object.fromEntries(counted.map(({ labels, value }) => [`${labels.method} ${labels.code}`, value]));
}

function results(scrape: Scrape): Record<string, number> {
  const samples = scrape.samples('kask_storage_operations_total');
  return Object.fromEntries(
    samples.map(({ labels, value }) => [`${labels.operation} ${labels.result}`, value]),
  );
}

function chunked(size: number): string {
  return `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n${LAST_CHUNK}`;
}
