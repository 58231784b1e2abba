import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { stringify } from 'yaml';
import { CassandraCluster } from '../harness/cassandra/cluster.js';
import {
  sharedCassandra,
  type TestKeyspace,
  uniqueKeyspace,
} from '../harness/cassandra/cluster-of-the-run.js';
import { withClient } from '../harness/cassandra/node-client.js';
import { CertificateAuthority, type Certificates, createCertificates } from '../harness/certificates.js';
import { KaskProcess } from '../harness/kask.js';
import { REPOSITORY } from '../harness/repository.js';

const PASSWORD = 'correct horse battery staple';
const NODE_NAME = 'sessionstore1001.eqiad.test';

jest.setTimeout(180_000);

interface Run {
  status: number | null;
  stdout: string;
  /** Of what did not go well, `what: found -> fix`. */
  odd: string[];
}

let directory: string;
beforeAll(() => (directory = mkdtempSync(path.join(tmpdir(), 'kask-doctor-'))));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function doctor(settings: Record<string, unknown>): Promise<Run> {
  const kask = KaskProcess.spawn(settings, { args: ['doctor'] });
  const status = await kask.exited;
  const { stdout, stderr } = kask;
  expect(stderr).toBe('');
  expect(stdout).toMatch(/\d+ failed, \d+ could be better, \d+ are well\n$/);
  expect(stdout).not.toContain(PASSWORD);
  const odd = stdout.split('\n').filter((line) => line.startsWith('fail'));
  return { status, stdout, odd: odd.map((line) => line.slice(6)) };
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

describe('kask doctor', () => {
  const { hosts, port, datacenter } = sharedCassandra();
  let keyspace: TestKeyspace;
  beforeAll(async () => (keyspace = await uniqueKeyspace()));
  afterAll(() => keyspace.drop());

  const cassandra = (other: Record<string, unknown> = {}) => ({
    cassandra: { hosts, port, local_dc: datacenter, keyspace: keyspace.name, ...other },
  });

  it('finds a service well whose cluster is, and leaves nothing behind', async () => {
    const { status, stdout, odd } = await doctor(cassandra());
    expect(odd).toEqual([]);
    expect(status).toBe(0);
    for (const what of [
      'Node.js',
      'configuration',
      `dns ${hosts[0]}`,
      `node ${hosts[0]}`,
      `table "${keyspace.name}"."values"`,
    ])
      expect(stdout).toContain(`ok    ${what}: `);
    for (const what of ['write at LOCAL_QUORUM', 'read at LOCAL_QUORUM', 'delete at EACH_QUORUM', 'clock'])
      expect(stdout).toMatch(new RegExp(`^(ok|warn) +${what}: `, 'm'));
    const { rows } = await withClient(
      hosts[0] as string,
      { authentication: false },
      (client) => client.execute(`SELECT key FROM ${keyspace.name}."values"`),
      port,
    );
    expect(rows).toEqual([]);
  });

  it('tells of a host without an address, and one where nobody listens', async () => {
    const { status, odd } = await doctor(cassandra({ hosts: ['nowhere.invalid', '127.0.0.1'], port: 1 }));
    expect(status).toBe(1);
    expect(odd).toEqual([
      expect.stringMatching(/^dns nowhere\.invalid: no address \(\w+\) -> mend cassandra\.hosts/),
      expect.stringMatching(
        /^node 127\.0\.0\.1: .*connect ECONNREFUSED 127\.0\.0\.1:1 -> start Cassandra there/,
      ),
      expect.stringMatching(/^cluster: .*ECONNREFUSED/),
    ]);
  });

  it('comes to an end where a node says nothing', async () => {
    const silent = createServer((socket) => socket.on('error', () => undefined));
    const began = Date.now();
    const { status, odd } = await doctor(
      cassandra({ hosts: ['127.0.0.1'], port: await listening(silent), connect_timeout_ms: 60_000 }),
    );
    silent.close();
    expect(status).toBe(1);
    expect(odd).toEqual([
      expect.stringMatching(/^node 127\.0\.0\.1: no answer within 5000 ms -> /),
      expect.stringMatching(/^cluster: no answer within 10 s/),
    ]);
    expect(Date.now() - began).toBeLessThan(60_000);
  });

  it('tells of a missing table and of a local_dc that is none', async () => {
    const { status, odd } = await doctor(cassandra({ table: 'missing', local_dc: 'esams' }));
    expect(status).toBe(1);
    expect(odd).toEqual([
      `cassandra.local_dc: esams; the cluster has ${datacenter} -> set it to the datacenter of this service`,
      `table "${keyspace.name}"."missing": missing -> run kask schema apply`,
    ]);
  });

  it('tells each fault of a configuration that cannot be used', async () => {
    const { status, stdout, odd } = await doctor({
      listen_port: 99999,
      cassandra: { hosts: [], authentication: { password: PASSWORD } },
      listn_port: 1,
    });
    expect(status).toBe(78);
    expect(odd).toEqual([
      expect.stringMatching(
        /^configuration: cassandra\.authentication\.username: found nothing -> allowed: /,
      ),
      expect.stringMatching(/^configuration: cassandra\.hosts: found \[\] -> allowed: /),
      'configuration: listen_port: found 99999 -> allowed: a whole number from 0 to 65535',
    ]);
    expect(stdout).toMatch(/^warn {2}configuration: listn_port: .+listen_port/m);
  });

  it('knows its own service, and what is none, on the port', async () => {
    const store = { storage: 'embedded', embedded: { path: path.join(directory, 'data') } };
    const depool_file = path.join(directory, 'depooled');
    const service = await KaskProcess.start({ ...store, depool_file });
    const listen_port = Number(new URL(service.origin).port);
    expect((await doctor({ ...store, listen_port, depool_file })).stdout).toMatch(
      /^ok {4}listen_port: kask \S+ listens at 127\.0\.0\.1:\d+ and is ready$/m,
    );
    writeFileSync(depool_file, '');
    await service.waitForLog(({ msg }) => msg.startsWith('depooled'));
    const { stdout } = await doctor({ ...store, listen_port, depool_file });
    expect(stdout).toMatch(/^warn {2}pool: depooled: .+ -> run kask pool$/m);
    expect(stdout).toMatch(/^warn {2}listen_port: .+ is not ready: depooled -> run kask pool$/m);
    expect(stdout).toMatch(/^\w+ +disk: \d+ MiB are free/m);
    await service.stop();

    const other = createServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n'));
    const taken = await doctor({ ...store, listen_port: await listening(other) });
    other.close();
    expect(taken.stdout).toMatch(
      /^warn {2}listen_port: .+ is in use, and what listens there tells no health -> /m,
    );
  });

  it('tells of certificates that are over, out of order, or soon over', async () => {
    const authority = CertificateAuthority.create(path.join(directory, 'ca'), 'Kask test CA');
    const stranger = CertificateAuthority.create(path.join(directory, 'other'), 'Other CA');
    const over = authority.issueClient('over', 'over.test', { usage: 'serverAuth', days: -1 });
    const soon = authority.issueClient('soon', 'soon.test', { usage: 'serverAuth' });
    const chain = path.join(directory, 'chain.pem');
    writeFileSync(chain, readFileSync(soon.certificate, 'utf8') + readFileSync(stranger.certificate, 'utf8'));
    const embedded = { storage: 'embedded', embedded: { path: path.join(directory, 'data') } };
    const tls = ({ certificate: cert, key }: typeof over) => ({ ...embedded, tls: { cert, key } });

    expect((await doctor(tls(over))).odd).toEqual([
      expect.stringMatching(/^tls\.cert: DNS:over\.test, expired on \d{4}-\d\d-\d\d -> renew it$/),
    ]);
    const { status, stdout, odd } = await doctor(tls({ certificate: chain, key: soon.key }));
    expect(status).toBe(1);
    expect(stdout).toMatch(/^warn {2}tls\.cert: DNS:soon\.test, until \S+ \(1 days\) -> renew it$/m);
    expect(odd).toEqual([
      expect.stringMatching(/^tls\.cert: CN=Other CA has not signed .+ -> have the certificate first/),
    ]);
    const mixed = await doctor(tls({ certificate: soon.certificate, key: over.key }));
    expect(mixed.status).toBe(78);
    expect(mixed.odd).toEqual([
      expect.stringContaining('do not belong together -> allowed: a certificate and its own key'),
    ]);
  });

  it('tells of a node whose certificate is over', async () => {
    const authority = CertificateAuthority.create(path.join(directory, 'nodes'), 'CA of nodes');
    const over = authority.issueClient('node', NODE_NAME, { usage: 'serverAuth', days: -1 });
    const node = createTlsServer({ cert: readFileSync(over.certificate), key: readFileSync(over.key) });
    node.on('tlsClientError', () => undefined);
    const tls = { ca: authority.certificate, server_names: [NODE_NAME] };
    const { odd } = await doctor(cassandra({ hosts: ['127.0.0.1'], port: await listening(node), tls }));
    node.close();
    expect(odd).toContainEqual(
      expect.stringMatching(
        /^node 127\.0\.0\.1: .*certificate has expired -> renew the certificate of the node$/,
      ),
    );
  });

  it('has colour and progress on a terminal, and none where it is not wanted', () => {
    const file = path.join(directory, 'config.yaml');
    writeFileSync(file, stringify({ ...cassandra(), listen_port: 0 }));
    const main = path.join(REPOSITORY, 'dist/main.js');
    const typescript = (env: Record<string, string>) =>
      spawnSync('script', ['-qec', `${main} doctor --config ${file}`, '/dev/null'], {
        encoding: 'utf8',
        env: { ...process.env, TERM: 'xterm', NO_COLOR: undefined, ...env },
      });
    const { status, stdout } = typescript({});
    expect(status).toBe(0);
    expect(stdout).toContain('\x1b[32mok');
    expect(stdout).toMatch(/looking at .*nodes/);
    expect(typescript({ NO_COLOR: '1' }).stdout).not.toMatch(/\x1b\[\d+m/);
  });
});

describe('kask doctor and a cluster with passwords, and certificates that carry names', () => {
  let cluster: CassandraCluster;
  let certificates: Certificates;

  beforeAll(async () => {
    certificates = createCertificates({ names: [NODE_NAME] });
    cluster = await CassandraCluster.start({
      datacenters: { eqiad: 1 },
      authentication: true,
      tls: () => certificates,
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
  afterAll(async () => {
    await cluster?.stop();
    if (certificates) rmSync(certificates.directory, { recursive: true, force: true });
  });

  const settings = (username: string, tls: Record<string, unknown> = {}, password = PASSWORD) => ({
    cassandra: {
      hosts: cluster.contactPoints,
      keyspace: 'sessions',
      local_dc: 'eqiad',
      authentication: { username, password },
      tls: {
        ca: certificates.ca,
        cert: certificates.clientCertificate,
        key: certificates.clientKey,
        server_names: [NODE_NAME],
        ...tls,
      },
    },
  });
  const oddOf = async (...given: Parameters<typeof settings>): Promise<string[]> =>
    (await doctor(settings(...given))).odd;

  it('finds it well', async () => {
    const { status, stdout, odd } = await doctor(settings('kask'));
    expect(odd).toEqual([]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ok {4}node \S+: eqiad, 5\.\S+, TCP in \S+ ms, TLS in \S+ ms, protocol 5$/m);
    expect(stdout).toMatch(
      /^warn {2}certificate of \S+: DNS:sessionstore1001\.eqiad\.test, until .+ -> renew it$/m,
    );
    expect(stdout).toMatch(/^warn {2}cassandra\.tls\.ca: CN=Kask test CA, until /m);
  });

  it('tells which permission is missing', async () => {
    const grant = (permission: string, role: string) =>
      `GRANT ${permission} ON TABLE "sessions"."values" TO ${role};`;
    expect(await oddOf('reader')).toEqual([
      `write at LOCAL_QUORUM: Cassandra does not permit this user to use the table -> ${grant('MODIFY', 'reader')}`,
      `delete at EACH_QUORUM: Cassandra does not permit this user to use the table -> ${grant('MODIFY', 'reader')}`,
    ]);
    expect((await oddOf('nobody'))[1]).toBe(
      `read at LOCAL_QUORUM: Cassandra does not permit this user to use the table -> ${grant('SELECT', 'nobody')}`,
    );
  });

  it.each<[string, () => Promise<string[]>, RegExp]>([
    [
      'a wrong password',
      () => oddOf('kask', {}, 'wrong'),
      / password are incorrect -> mend cassandra\.authentication/,
    ],
    [
      'another name',
      () => oddOf('kask', { server_names: ['other.test'] }),
      / is for DNS:sessionstore1001\.eqiad\.test: .+ -> add a name .+\.server_names/,
    ],
    [
      'another authority',
      () => oddOf('kask', { ca: certificates.strangerCa }),
      / -> have in cassandra\.tls\.ca the authority/,
    ],
    [
      'no certificate of ours',
      () => oddOf('kask', { cert: undefined, key: undefined }),
      / -> set cassandra\.tls\.cert/,
    ],
  ])('tells of %s, once for the node and once for the cluster', async (_name, run, line) => {
    const odd = await run();
    expect(odd).toEqual([expect.stringMatching(line), expect.stringMatching(line)]);
    expect(odd.map((each) => each.split(/[ :]/, 1)[0])).toEqual(['node', 'cluster']);
  });

  it('is told apart by the exit code of kask schema', async () => {
    const schema = async (given: Record<string, unknown>, word = 'check'): Promise<number | null> =>
      KaskProcess.spawn(given, { args: ['schema', word] }).exited;
    expect(await schema(settings('nobody'))).toBe(0);
    expect(await schema(settings('kask', {}, 'wrong'))).toBe(77);
    const elsewhere = settings('kask');
    expect(await schema({ cassandra: { ...elsewhere.cassandra, keyspace: 'other' } }, 'apply')).toBe(77);
  });
});
