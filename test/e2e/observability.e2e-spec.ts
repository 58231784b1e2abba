import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { eventually } from '../harness/cassandra/poll.js';
import { createCertificates } from '../harness/certificates.js';
import { KaskProcess } from '../harness/kask.js';
import { Prometheus, type Sample } from '../harness/prometheus.js';
import { selectorsOf } from '../../ops/prometheus/promql.js';
import { exchange } from '../harness/raw-http.js';
import { REPOSITORY } from '../harness/repository.js';
import { SealingKeyFiles } from '../harness/sealing-keys.js';
import { openBackend, type SessionBackend } from '../harness/session-backend.js';

jest.setTimeout(300_000);

const RULES = path.join(REPOSITORY, 'ops/prometheus');
const REPORT = path.join(REPOSITORY, '.cache/observability-report.md');
const BASE = '/sessions/v1/';
const PATIENCE_MS = 120_000;
/** For rates over a minute, and what is recorded of them. */
const TRAFFIC_MS = 5_000;
/** What Grafana puts in, with everything chosen. */
const CHOSEN = { job: '.*', datacenter: '.*', instance: '.*', __rate_interval: '1m' };
/** There is no week ago, mostly no error, and no limit of memory on every machine. */
const MAY_BE_SILENT = ['Against a week ago', 'Errors by operation', 'Refused for overload', 'Memory'];
/** Of prom-client, under names that others rely on. */
const LINT = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
].map((name) => `${name} non-counter metrics should not have "_total" suffix`);

interface Rules {
  groups: { interval: string; rules: { alert?: string; record?: string; expr: string }[] }[];
}

interface Asked {
  by: string;
  expression: string;
}

const rules = parse(readFileSync(path.join(RULES, 'rules.yml'), 'utf8')) as Rules;
const { panels } = JSON.parse(readFileSync(path.join(REPOSITORY, 'ops/grafana/kask.json'), 'utf8')) as {
  panels: { title: string; targets?: { expr: string }[] }[];
};
const asked: Asked[] = [
  ...rules.groups.flatMap((group) =>
    group.rules.map(({ alert, record, expr }) => ({ by: alert ?? `${record}`, expression: expr })),
  ),
  ...panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ by: `panel "${title}"`, expression: chosen(expr) })),
  ),
];

describe('promtool', () => {
  it.each(['rules.test.yml', 'rules.days.test.yml'])(
    'finds every alert as it should be: %s',
    async (file) => {
      await promisify(execFile)('promtool', ['test', 'rules', file], { cwd: RULES });
    },
  );

  it('finds no fault in the rules', async () => {
    await promisify(execFile)('promtool', ['check', 'rules', '--lint-fatal', 'rules.yml'], { cwd: RULES });
  });
});

describe('a Prometheus that scrapes the service', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-observability-'));
  const certificates = createCertificates({ addresses: ['127.0.0.1'] });
  const ca = readFileSync(certificates.ca);
  let backend: SessionBackend;
  let kask: KaskProcess;
  let embedded: KaskProcess;
  let prometheus: Prometheus;

  beforeAll(async () => {
    const key_file = path.join(directory, 'keys');
    new SealingKeyFiles().write(key_file, ['value a', 'row a']);
    backend = await openBackend('cassandra');
    kask = await KaskProcess.start({
      ...backend.settings,
      tls: { cert: certificates.serverCertificate, key: certificates.serverKey },
      encryption: { key_file },
      management: { listen_address: '127.0.0.1', listen_port: 0 },
      namespaces: { seen: { keys: ['seen:*'], write_bytes_per_second: 10 } },
    });
    embedded = await KaskProcess.start({
      storage: 'embedded',
      embedded: { path: path.join(directory, 'store') },
    });
    await eventually(async () => {
      if (!(await fetch(`${kask.management}/healthz/ready`)).ok) throw new Error('not ready');
    }, PATIENCE_MS);
    prometheus = await Prometheus.start(
      // Joins have to leave out labels that only targets have, as Kubernetes gives them.
      [
        {
          job: 'kask',
          address: new URL(kask.management).host,
          labels: { datacenter: 'eqiad', pod: 'kask-1' },
        },
        { job: 'kask-embedded', address: new URL(embedded.origin).host },
      ],
      everySecond(rules),
    );
    await eventually(async () => {
      if ((await prometheus.query('up == 1')).length < 2) throw new Error('not scraped');
    }, PATIENCE_MS);
    await ask(kask, TRAFFIC_MS, ca);
    await eventually(async () => {
      const late = (await prometheus.rules()).filter(({ health }) => health === 'unknown');
      const missing = await unknownMetrics();
      if (late.length + missing.length > 0) throw new Error('not everything was evaluated');
    }, 30_000).catch(() => undefined); // What is missing the tests tell.
  });
  afterAll(async () => {
    await prometheus?.stop();
    await kask?.stop();
    await embedded?.stop();
    await backend?.close();
    rmSync(certificates.directory, { recursive: true });
    rmSync(directory, { recursive: true });
  });

  const unknownMetrics = async (): Promise<string[]> => {
    const known = new Set(await prometheus.metricNames());
    return asked.flatMap(({ by, expression }) =>
      selectorsOf(expression)
        .filter(({ metric }) => !known.has(metric))
        .map(({ metric }) => `${metric}, of ${by}`),
    );
  };

  it('has every metric that an alert or a panel asks for', async () => {
    expect(await unknownMetrics()).toEqual([]);
  });

  it('evaluates every rule', async () => {
    const evaluated = await prometheus.rules();
    expect(evaluated.filter(({ health }) => health !== 'ok')).toEqual([]);
    expect(evaluated).toHaveLength(rules.groups.flatMap((group) => group.rules).length);
  });

  it('answers every expression; the report has the values', async () => {
    const answers: [Asked, Sample[]][] = [];
    for (const each of asked) answers.push([each, await prometheus.query(each.expression)]);
    mkdirSync(path.dirname(REPORT), { recursive: true });
    writeFileSync(REPORT, report(answers));
    expect(answers.length).toBeGreaterThan(100);
    const silent = answers.filter(([{ by }, samples]) => by.startsWith('panel') && !samples.some(isNumber));
    const titles = silent.map(([{ by }]) => by);
    expect(titles.filter((by) => !MAY_BE_SILENT.some((title) => by.includes(title)))).toEqual([]);
  });

  it('finds nothing to object to in the names of our metrics', async () => {
    const exposition = await (await fetch(`${kask.management}/metrics`)).text();
    const linted = promisify(execFile)('promtool', ['check', 'metrics']);
    linted.child.stdin?.end(exposition);
    const { stderr } = await linted.catch((error: { stderr: string }) => error);
    expect(stderr.trim().split('\n')).toEqual(LINT);
  });
});

/** Requests of every kind: hits, misses, writes that change something and those that don't, past a budget, and wrong ones. */
async function ask(kask: KaskProcess, forMs: number, ca: Buffer): Promise<void> {
  const end = performance.now() + forMs;
  for (let i = 0; performance.now() < end; i++) {
    for (const [method, key, body] of [
      ['PUT', 'a', 'value'],
      ['PUT', 'b', `value ${i >> 1}`],
      ['GET', 'a'],
      ['HEAD', 'a'],
      ['GET', 'absent'],
      ['POST', 'seen:a', 'x'.repeat(200)],
      ['GET', 'seen:a'],
      ['GET', 'a/b'],
      ['PATCH', 'a'],
      ['DELETE', 'a'],
    ] as const)
      await exchange(kask.origin, { method, target: BASE + key, body }, ca);
    await sleep(100);
  }
}

/** A share of nothing is NaN. */
function isNumber({ value: [, value] }: Sample): boolean {
  return value !== 'NaN';
}

function chosen(expression: string): string {
  return Object.entries(CHOSEN).reduce(
    (text, [name, value]) => text.replaceAll(`$${name}`, value),
    expression,
  );
}

/** Whoever waits for a value to be recorded waits for a second. */
function everySecond({ groups }: Rules): string {
  return stringify({ groups: groups.map((group) => ({ ...group, interval: '1s' })) });
}

function report(answers: [Asked, Sample[]][]): string {
  const rows = answers.map(([{ by, expression }, samples]) => {
    const values = samples.map(({ metric: { __name__, ...labels }, value: [, value] }) => {
      const label = Object.values(labels).join(' ');
      return `${label}: ${Number(value).toPrecision(4)}`;
    });
    const code = expression.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');
    return `| ${by} | \`${code}\` | ${values.join('; ') || 'none'} |`;
  });
  return ['| Asked by | Expression | Values |', '| --- | --- | --- |', ...rows, ''].join('\n');
}
