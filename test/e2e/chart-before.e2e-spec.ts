import { ChartRelease } from '../harness/chart-release.js';
import { fetchHelm, type RenderOptions } from '../harness/helm.js';

// Npm is asked the first time.
beforeAll(fetchHelm, 300_000);

const chart = (values: object = {}, options?: RenderOptions) => new ChartRelease(values, options);

describe('values of the chart before us', () => {
  const cassandra = { hosts: ['cassandra.example.org'] };

  it.each<[name: string, values: object, find: (release: ChartRelease) => unknown, found: unknown]>([
    [
      'docker and main_app.image, version',
      {
        docker: { registry: 'r.example', pull_policy: 'Always' },
        main_app: { image: 'a/kask', version: 'v1' },
      },
      ({ container }) => container,
      expect.objectContaining({ image: 'r.example/a/kask:v1', imagePullPolicy: 'Always' }),
    ],
    ['resources.replicas', { resources: { replicas: 8 } }, ({ deployment }) => deployment.replicas, 8],
    ['app.port', { app: { port: 8080 } }, ({ config }) => config.listen_port, 8080],
    ['app.port as text', { app: { port: 8080 } }, ({ container }) => container.ports[0]?.containerPort, 8080],
    [
      'service.deployment: production',
      { service: { deployment: 'production', port: 8081 } },
      (release) => release.one('Service').spec,
      expect.objectContaining({
        type: 'NodePort',
        ports: [{ name: 'http', protocol: 'TCP', port: 8081, targetPort: 8081, nodePort: 8081 }],
      }),
    ],
    [
      'service.deployment: minikube',
      { service: { deployment: 'minikube', port: null } },
      (release) => release.one('Service').spec,
      expect.objectContaining({
        type: 'NodePort',
        ports: [{ name: 'http', protocol: 'TCP', port: 8081, targetPort: 8081 }],
      }),
    ],
    [
      'service.nodePort: true',
      { service: { nodePort: true, port: 30081 } },
      (release) => release.one('Service').spec,
      expect.objectContaining({ type: 'NodePort', ports: [expect.objectContaining({ nodePort: 30081 })] }),
    ],
    [
      'service.nodePort: false',
      { service: { deployment: 'production', nodePort: false } },
      (release) => release.one('Service').spec,
      expect.objectContaining({ type: 'ClusterIP' }),
    ],
    [
      'chartName',
      { chartName: 'sessions' },
      (release) => [release.one('Deployment').metadata.name, release.deployment.selector.matchLabels],
      ['sessions-production', { app: 'sessions', release: 'production' }],
    ],
    [
      'routed_via',
      { routed_via: 'main' },
      ({ deployment }) => deployment.template.metadata.labels,
      expect.objectContaining({ app: 'kask', release: 'production', routed_via: 'main' }),
    ],
    [
      'affinity, a fragment of the spec of a pod',
      { affinity: { affinity: { nodeAffinity: { a: 1 } }, nodeSelector: { disk: 'fast' } } },
      ({ pod }) => [pod.affinity, pod.nodeSelector],
      [{ nodeAffinity: { a: 1 } }, { disk: 'fast' }],
    ],
    [
      'affinity with a spread of its own',
      { affinity: { topologySpreadConstraints: [{ maxSkew: 3 }] } },
      ({ pod }) => pod.topologySpreadConstraints,
      [{ maxSkew: 3 }],
    ],
    ['tolerations', { tolerations: [{ key: 'a' }] }, ({ pod }) => pod.tolerations, [{ key: 'a' }]],
    ['tolerations: {}', { tolerations: {} }, ({ pod }) => pod.tolerations, undefined],
    [
      'tolerations, a fragment of the spec of a pod',
      { tolerations: { tolerations: [{ key: 'a' }] } },
      ({ pod }) => pod.tolerations,
      [{ key: 'a' }],
    ],
    [
      'main_app.base_uri',
      { main_app: { base_uri: 'sessions/v1' } },
      ({ config }) => config.base_uri,
      'sessions/v1',
    ],
    [
      'main_app.default_ttl of a year',
      { main_app: { default_ttl: 31536000 } },
      ({ configText }) => /^default_ttl: .*/m.exec(configText)?.[0],
      'default_ttl: 31536000',
    ],
    [
      'main_app.default_ttl in quotes',
      { main_app: { default_ttl: '86400' } },
      ({ configText }) => /^default_ttl: .*/m.exec(configText)?.[0],
      'default_ttl: 86400',
    ],
    [
      'main_app.listen_address',
      { main_app: { listen_address: '127.0.0.1' } },
      ({ config }) => config.listen_address,
      '127.0.0.1',
    ],
    [
      'main_app.service_name',
      { main_app: { service_name: 'echo' } },
      ({ config }) => config.service_name,
      'echo',
    ],
    ['main_app.log_level', { main_app: { log_level: 'DEBUG' } }, ({ config }) => config.log_level, 'DEBUG'],
    [
      'main_app.openapi_spec',
      { main_app: { openapi_spec: 'openapi.yaml' } },
      ({ config }) => config.openapi_spec,
      'openapi.yaml',
    ],
    [
      'main_app.requests and limits',
      { main_app: { requests: { cpu: '2500m', memory: '400Mi' }, limits: { cpu: 3, memory: '500Mi' } } },
      ({ container }) => container.resources,
      { requests: { cpu: '2500m', memory: '400Mi' }, limits: { cpu: 3, memory: '500Mi' } },
    ],
    [
      'main_app.cassandra',
      { main_app: { cassandra: { ...cassandra, port: 9142, keyspace: 'k', table: 't', local_dc: 'eqiad' } } },
      ({ config }) => config.cassandra,
      { ...cassandra, port: 9142, keyspace: 'k', table: 't', local_dc: 'eqiad' },
    ],
    [
      'main_app.cassandra without hosts',
      { main_app: { cassandra: {} } },
      ({ config }) => config.cassandra,
      { hosts: ['production-cassandra'], keyspace: 'kask', table: 'values' },
    ],
    [
      'main_app.cassandra.tls.ca of the image',
      { main_app: { certs: { cassandra: { ca: 'PEM' } }, cassandra: { tls: { ca: '/etc/ssl/ca.crt' } } } },
      ({ config }) => config.cassandra,
      expect.objectContaining({ tls: { ca: '/etc/ssl/ca.crt' } }),
    ],
    [
      'main_app.certs.kask: null',
      { main_app: { certs: { kask: null, cassandra: null } } },
      ({ config, container }) => [config.tls, container.volumeMounts.map(({ mountPath }) => mountPath)],
      [undefined, ['/etc/kask', '/var/run/kask']],
    ],
    ['main_app.certs: null', { main_app: { certs: null } }, ({ config }) => config.tls, undefined],
    [
      'main_app.port, which had no effect',
      { main_app: { port: 1 } },
      ({ config }) => config.listen_port,
      8081,
    ],
    [
      'config.public and private, which had no effect',
      { config: { public: { a: 1 }, private: { b: 2 } } },
      ({ configText }) => configText,
      expect.not.stringMatching(/public|private/),
    ],
  ])('%s', (_name, values, find, found) => {
    expect(find(chart(values))).toEqual(found);
  });

  it('are taken without effect where other machinery used them', () => {
    const values = {
      discovery: { listeners: ['a'] },
      tcp_proxy: { listeners: ['b'] },
      services_proxy: { a: {} },
    };
    const others = { subcharts: { cassandra: true }, helm_scaffold_version: 0.2, kafka_brokers: {} };
    expect(chart({ ...values, ...others }).manifests).toEqual(chart().manifests);
  });

  it('give the names and labels of before, so that an upgrade replaces and does not add', () => {
    const release = chart({});
    expect(release.one('Deployment').metadata.name).toBe('kask-production');
    expect(release.deployment.selector.matchLabels).toEqual({ app: 'kask', release: 'production' });
    expect(release.one('Service').metadata.name).toBe('kask-production');
    expect(release.one('Service').spec).toMatchObject({
      selector: { app: 'kask', routed_via: 'production' },
    });
    expect(release.container).toMatchObject({
      name: 'kask-production',
      command: ['./kask'],
      args: ['--config', '/etc/kask/config.yaml'],
    });
    expect(release.container.env).toContainEqual({ name: 'SERVICE_IDENTIFIER', value: 'kask-production' });
    const { release: canary } = chart({}, { release: 'canary' }).deployment.selector.matchLabels;
    expect(canary).toBe('canary');
  });
});
