import { rmSync } from 'node:fs';
import request, { type Response } from 'supertest';
import { CassandraCluster } from '../harness/cassandra/cluster.js';
import { sharedCassandra } from '../harness/cassandra/cluster-of-the-run.js';
import { type Certificates, createCertificates } from '../harness/certificates.js';
import { DATA_PATHS } from '../harness/data-paths.js';
import { KaskProcess } from '../harness/kask.js';
import { readiness, untilNotReady, untilReady } from '../harness/readiness.js';

jest.setTimeout(300_000);

/** Nodes announce addresses, their certificates carry this name and nothing else. */
const NODE_NAME = 'sessionstore1001.eqiad.test';
const PASSWORD = 'correct horse battery staple';
const WRONG_PASSWORD = 'incorrect-donkey';
const MAX_VALUE_BYTES = 100_000;

let cluster: CassandraCluster;
let certificates: Certificates;
const services: KaskProcess[] = [];

afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.stop()));
});

async function start(cassandra: Record<string, unknown>): Promise<KaskProcess> {
  const settings = { hosts: cluster.contactPoints, keyspace: 'sessions', local_dc: 'eqiad', ...cassandra };
  const service = await KaskProcess.start({ cassandra: settings });
  services.push(service);
  return service;
}

const read = (service: KaskProcess): Promise<Response> => request(service.url('key')).get('');
const write = (service: KaskProcess, value: string | Buffer = 'Ada'): Promise<Response> =>
  request(service.url('key')).post('').send(value);

/** The reason for which it never became ready. */
async function refusal(service: KaskProcess): Promise<string> {
  const { status, reason = '' } = await readiness(service);
  expect(status).toBe(503);
  expect((await read(service)).status).toBe(503);
  return reason;
}

async function shutDown(): Promise<void> {
  await cluster?.stop();
  if (certificates) rmSync(certificates.directory, { recursive: true, force: true });
}

describe('a cluster with passwords, and certificates that carry names', () => {
  const login = (username: string, password = PASSWORD) => ({ authentication: { username, password } });
  const tls = (other: Record<string, unknown> = {}) => ({
    tls: { ca: certificates.ca, server_names: [NODE_NAME], ...other },
  });

  beforeAll(async () => {
    certificates = createCertificates({ names: [NODE_NAME] });
    cluster = await CassandraCluster.start({
      datacenters: { eqiad: 1 },
      authentication: true,
      tls: () => certificates,
      yaml: {
        column_value_size_fail_threshold: `${MAX_VALUE_BYTES}B`,
        client_encryption_options: {
          enabled: true,
          optional: false,
          require_client_auth: false,
          ssl_context_factory: { class_name: 'org.apache.cassandra.security.PEMBasedSslContextFactory' },
          keystore: certificates.keystore,
        },
      },
    });
    await cluster.createSessionTable('sessions');
    for (const [role, permissions] of [
      ['kask', ['SELECT', 'MODIFY']],
      ['reader', ['SELECT']],
      ['nobody', []],
    ] as const) {
      await cluster.execute(`CREATE ROLE ${role} WITH PASSWORD = '${PASSWORD}' AND LOGIN = true`);
      for (const permission of permissions)
        await cluster.execute(`GRANT ${permission} ON TABLE sessions."values" TO ${role}`);
    }
  });
  afterAll(shutDown);

  it.each(DATA_PATHS)('serves a role that may only SELECT and MODIFY, by the %s', async (data_path) => {
    const service = await start({ ...tls(), ...login('kask'), data_path });
    await untilReady(service);
    expect((await write(service)).status).toBe(201);
    expect((await read(service)).body).toEqual(Buffer.from('Ada'));
    expect((await request(service.url('key')).delete('')).status).toBe(204);
  });

  it('refuses a value beyond its guardrail with 413', async () => {
    const service = await start({ ...tls(), ...login('kask') });
    const answer = await write(service, Buffer.alloc(MAX_VALUE_BYTES + 1));
    expect(answer.status).toBe(413);
  });

  it('refuses a wrong password: named in readiness and log, the password nowhere', async () => {
    const service = await start({ ...tls(), ...login('kask', WRONG_PASSWORD) });
    const reason = await refusal(service);
    expect(reason).toMatch(
      /^not connected to Cassandra: .+: Provided username kask and\/or password are incorrect$/,
    );
    expect(service.logs()).toContainEqual(
      expect.objectContaining({ level: 'ERROR', msg: 'storage does not serve', reason }),
    );
    expect(service.stdout + service.stderr + reason).not.toContain(WRONG_PASSWORD);
  });

  it('refuses a service without a password', async () => {
    expect(await refusal(await start(tls()))).toMatch(/authenti/i);
  });

  it.each(DATA_PATHS)('refuses writes of a role that may only read, by the %s', async (data_path) => {
    await cluster.execute('INSERT INTO sessions."values" (key, value) VALUES (?, ?)', [
      'key',
      Buffer.from('Ada'),
    ]);
    const service = await start({ ...tls(), ...login('reader'), data_path });
    await untilReady(service);
    expect((await read(service)).status).toBe(200);

    const answer = await write(service);
    expect(answer.status).toBe(503);
    const detail =
      'The storage cannot serve this request now: Cassandra does not permit this user to use the table';
    expect(JSON.parse(answer.text)).toMatchObject({ detail });
    expect(await service.waitForLog((line) => line.method === 'POST')).toMatchObject({
      level: 'ERROR',
      status: 503,
      reason: detail,
    });
    expect((await request(service.url('key')).delete('')).status).toBe(503);
    expect((await read(service)).status).toBe(200);
  });

  it('refuses a role without permissions, until it has them', async () => {
    const service = await start({ ...tls(), ...login('nobody') });
    expect(await untilNotReady(service, /permi/)).toBe(
      'Cassandra does not permit this user to use the table: ' +
        'User nobody has no SELECT permission on <table sessions.values> or any of its parents',
    );
    for (const permission of ['SELECT', 'MODIFY'])
      await cluster.execute(`GRANT ${permission} ON TABLE sessions."values" TO nobody`);
    await untilReady(service);
    expect((await write(service)).status).toBe(201);
  });

  it.each(['*.eqiad.test', 'SESSIONSTORE1001.eqiad.test'])(
    'is trusted by cassandra.tls.server_names %s',
    async (name) => {
      await untilReady(await start({ ...tls({ server_names: [name] }), ...login('kask') }));
    },
  );

  it('is trusted by a name in cassandra.hosts', async () => {
    const hosts = [...cluster.contactPoints, NODE_NAME];
    await untilReady(await start({ hosts, tls: { ca: certificates.ca }, ...login('kask') }));
  });

  it.each([[undefined], [['sessionstore1002.eqiad.test']], [['*.codfw.test']]])(
    'is not trusted by server_names %j',
    async (names) => {
      const service = await start({ ...tls({ server_names: names }), ...login('kask') });
      const [address = ''] = cluster.contactPoints;
      expect(await refusal(service)).toBe(
        `not connected to Cassandra: ${address}:9042: the certificate of node ${address} is for DNS:${NODE_NAME}: ` +
          'neither its address nor a name in cassandra.hosts or cassandra.tls.server_names',
      );
    },
  );

  it('is not trusted by another CA', async () => {
    const service = await start({ ...tls({ ca: certificates.strangerCa }), ...login('kask') });
    expect(await refusal(service)).toMatch(/unable to verify|self-signed certificate|unable to get/);
  });

  it('and a service in clear do not understand each other', async () => {
    const service = await start({ ...login('kask'), query_timeout_ms: 1000 });
    expect(await refusal(service)).toMatch(
      /^not connected to Cassandra: .+ \(cassandra\.tls is not set: do the nodes want TLS\?\)$/,
    );
  });
});

describe('a cluster that wants certificates of its clients', () => {
  const tls = (other: Record<string, string>) => ({ tls: { ca: certificates.ca, ...other } });

  beforeAll(async () => {
    cluster = await CassandraCluster.start({
      datacenters: { eqiad: 1 },
      tls: (addresses) => (certificates = createCertificates({ addresses })),
    });
    await cluster.createSessionTable('sessions');
  });
  afterAll(shutDown);

  it.each(DATA_PATHS)('serves a service that has one, by the %s', async (data_path) => {
    const pair = { cert: certificates.clientCertificate, key: certificates.clientKey };
    const service = await start({ ...tls(pair), data_path });
    await untilReady(service);
    expect((await write(service)).status).toBe(201);
    expect((await read(service)).status).toBe(200);
  });

  it('refuses a service that has none', async () => {
    expect(await refusal(await start(tls({})))).toMatch(/TLS: tlsv13 alert certificate required$/);
  });

  it('refuses a service that has one of another CA', async () => {
    const service = await start(
      tls({ cert: certificates.strangerCertificate, key: certificates.strangerKey }),
    );
    expect(await refusal(service)).toMatch(/TLS: .+ alert .+$/);
  });
});

describe('a cluster in clear', () => {
  it('and a service with TLS do not understand each other', async () => {
    const { hosts, port, datacenter } = sharedCassandra();
    const ca = createCertificates();
    try {
      const service = await KaskProcess.start({
        cassandra: { hosts, port, local_dc: datacenter, query_timeout_ms: 1000, tls: { ca: ca.ca } },
      });
      services.push(service);
      expect(await refusal(service)).toBe(
        `not connected to Cassandra: ${hosts[0]}:${port}: TLS: wrong version number`,
      );
    } finally {
      rmSync(ca.directory, { recursive: true, force: true });
    }
  });
});
