import { randomBytes } from 'node:crypto';
import { Client, type types } from 'cassandra-driver';
import request from 'supertest';
import { eventually } from '../harness/cassandra/poll.js';
import { sharedCassandra } from '../harness/cassandra/cluster-of-the-run.js';
import { CqlProxy, type Execution } from '../harness/cql-proxy.js';
import { DATA_PATHS } from '../harness/data-paths.js';
import { KaskProcess, type LogLine } from '../harness/kask.js';
import { metric } from '../harness/metrics.js';
import { readiness, untilNotReady, untilReady } from '../harness/readiness.js';

jest.setTimeout(60_000);

const LOCAL_QUORUM = 6;
const EACH_QUORUM = 7;
const DEFAULT_TTL = 86_400;

const { hosts, port, datacenter } = sharedCassandra();
const id = randomBytes(4).toString('hex');
const keyspace = `kask_${id}`;
const client = new Client({ contactPoints: hosts, protocolOptions: { port }, localDataCenter: datacenter });
const replication = `{'class': 'NetworkTopologyStrategy', '${datacenter}': 1}`;

const services: KaskProcess[] = [];
let kask: KaskProcess;

function cql(statement: string, parameters?: unknown[]): Promise<types.ResultSet> {
  return client.execute(statement, parameters, { prepare: parameters !== undefined });
}

/** Starts a service that ends with the suite. */
async function start(cassandra: Record<string, unknown> = {}, other = {}): Promise<KaskProcess> {
  const settings = { hosts, port, keyspace, table: 'values', local_dc: datacenter, ...cassandra };
  const service = await KaskProcess.start({ cassandra: settings, ...other });
  services.push(service);
  return service;
}

const lines = (service: KaskProcess, level: string): LogLine[] =>
  service.logs().filter((line) => line.level === level);

/** What an operator would copy out of a message: the statements after "created by:". */
function statementsIn(message: string): string[] {
  const [, created = ''] = message.split('created by: ');
  return created.match(/CREATE [^;]+;/g) ?? [];
}

beforeAll(async () => {
  await client.connect();
  await cql(`CREATE KEYSPACE ${keyspace} WITH replication = ${replication}`);
  await cql(`CREATE TABLE ${keyspace}."values" (key text PRIMARY KEY, value blob)`);
  kask = await start();
});

afterAll(async () => {
  await Promise.all(services.map((service) => service.stop()));
  for (const each of [keyspace, `"Kask_${id}"`, `"New_${id}"`]) await cql(`DROP KEYSPACE IF EXISTS ${each}`);
  await client.shutdown();
});

describe.each(DATA_PATHS)('the table that production has, by the %s', (dataPath) => {
  let service: KaskProcess;
  const get = (key: string) => request(service.origin).get(service.path(key));
  const post = (key: string, value: string | Buffer) =>
    request(service.origin).post(service.path(key)).send(value);

  beforeAll(async () => {
    service = await start({ data_path: dataPath });
  });

  async function row(key: string): Promise<types.Row> {
    const select = `SELECT value, TTL(value) AS ttl, WRITETIME(value) AS written FROM ${keyspace}."values" WHERE key = ?`;
    return (await cql(select, [key])).first();
  }

  it('is ready at once', async () => {
    expect(await readiness(service)).toEqual({ status: 200, reason: undefined });
  });

  it.each(['', 'USING TTL 1000'])('gives rows that others wrote %s', async (using) => {
    const value = randomBytes(2048);
    await cql(`INSERT INTO ${keyspace}."values" (key, value) VALUES (?, ?) ${using}`, ['others', value]);
    const answer = await get('others').expect(200);
    expect(answer.body).toEqual(value);
  });

  it('keeps what we write with its TTL and a client’s time in microseconds', async () => {
    const before = Date.now() * 1000;
    await post('ours', 'Ada').expect(201);
    const { value, ttl, written } = await row('ours');
    expect(value).toEqual(Buffer.from('Ada'));
    expect(ttl).toBeGreaterThan(DEFAULT_TTL - 60);
    expect(ttl).toBeLessThanOrEqual(DEFAULT_TTL);
    expect(Number(written)).toBeGreaterThanOrEqual(before);
    expect(Number(written)).toBeLessThanOrEqual(Date.now() * 1000 + 1000);
  });

  it('has the last of values that were overwritten', async () => {
    for (const value of ['one', 'two', 'three']) await post('overwritten', value).expect(201);
    expect((await row('overwritten')).value).toEqual(Buffer.from('three'));
    expect((await get('overwritten').expect(200)).body).toEqual(Buffer.from('three'));
  });

  it('has a row no more after DELETE', async () => {
    await post('deleted', 'Ada').expect(201);
    await request(service.origin).delete(service.path('deleted')).expect(204);
    expect(await row('deleted')).toBeNull();
    await get('deleted').expect(404);
  });

  it('has no session where the value is null', async () => {
    await cql(`INSERT INTO ${keyspace}."values" (key) VALUES (?)`, ['null']);
    await get('null').expect(404);
  });

  it('may have columns of others', async () => {
    await cql(`CREATE TABLE IF NOT EXISTS ${keyspace}.wide (key text PRIMARY KEY, owner text, value blob)`);
    await untilReady(await start({ table: 'wide', data_path: dataPath }));
  });

  it('may have names that CQL folds unless they are quoted', async () => {
    await cql(`CREATE KEYSPACE IF NOT EXISTS "Kask_${id}" WITH replication = ${replication}`);
    await cql(`CREATE TABLE IF NOT EXISTS "Kask_${id}"."Select" (key text PRIMARY KEY, value blob)`);
    const other = await start({ keyspace: `Kask_${id}`, table: 'Select', data_path: dataPath });
    await request(other.origin).post(other.path(dataPath)).send('Ada').expect(201);
    const { value } = (
      await cql(`SELECT value FROM "Kask_${id}"."Select" WHERE key = ?`, [dataPath])
    ).first();
    expect(value).toEqual(Buffer.from('Ada'));
  });

  it('never expires a session of default_ttl 0, whatever its own default is', async () => {
    await cql(
      `CREATE TABLE IF NOT EXISTS ${keyspace}.mortal (key text PRIMARY KEY, value blob) WITH default_time_to_live = 100`,
    );
    const other = await start({ table: 'mortal', data_path: dataPath }, { default_ttl: 0 });
    await request(other.origin).post(other.path(dataPath)).send('Ada').expect(201);
    const found = await cql(`SELECT TTL(value) AS ttl FROM ${keyspace}.mortal WHERE key = ?`, [dataPath]);
    expect(found.first().ttl).toBeNull();
  });
});

describe.each([
  { dataPath: 'lane', version: 5 },
  { dataPath: 'lane', version: 4 },
  { dataPath: 'driver', version: 4 },
] as const)('on the wire, by the $dataPath in version $version', ({ dataPath, version }) => {
  let proxy: CqlProxy;
  let behind: KaskProcess;
  const startBehind = (table: string, other = {}): Promise<KaskProcess> =>
    start(
      { hosts: ['127.0.0.1'], port: proxy.port, table, query_timeout_ms: 2000, data_path: dataPath },
      other,
    );

  beforeAll(async () => {
    await cql(`CREATE TABLE IF NOT EXISTS ${keyspace}.watched (key text PRIMARY KEY, value blob)`);
    proxy = await CqlProxy.start(hosts[0] as string, port, version);
    behind = await startBehind('watched', { default_ttl: 1234 });
  });
  afterAll(() => proxy?.stop());

  const executions = (verb: string): Execution[] =>
    proxy.executions.filter((each) => each.cql.startsWith(verb));
  const only = (verb: string): Execution | undefined => executions(verb).at(-1);

  it('connections are of that version, but for those of the driver', () => {
    expect([...proxy.versions].sort()).toEqual([...new Set([4, version])]);
  });

  it('a read asks LOCAL_QUORUM', async () => {
    await request(behind.origin).get(behind.path('read')).expect(404);
    expect(only('SELECT')).toMatchObject({
      cql: `SELECT value, TTL(value) FROM "${keyspace}"."watched" WHERE key = ?`,
      consistency: LOCAL_QUORUM,
      values: [Buffer.from('read')],
    });
  });

  it('a write asks LOCAL_QUORUM, with its TTL as a value and a timestamp of ours', async () => {
    const before = BigInt(Date.now()) * 1000n;
    await request(behind.origin).post(behind.path('written')).send('Ada').expect(201);
    const ttl = Buffer.alloc(4);
    ttl.writeInt32BE(1234);
    expect(only('INSERT')).toMatchObject({
      cql: `INSERT INTO "${keyspace}"."watched" (key, value) VALUES (?, ?) USING TTL ?`,
      consistency: LOCAL_QUORUM,
      values: [Buffer.from('written'), Buffer.from('Ada'), ttl],
    });
    expect(only('INSERT')?.timestamp).toBeGreaterThanOrEqual(before);
  });

  it('a delete asks EACH_QUORUM, with a timestamp of ours', async () => {
    await request(behind.origin).delete(behind.path('written')).expect(204);
    expect(only('DELETE')).toMatchObject({
      cql: `DELETE FROM "${keyspace}"."watched" WHERE key = ?`,
      consistency: EACH_QUORUM,
      values: [Buffer.from('written')],
    });
    expect(only('DELETE')?.timestamp).toBeGreaterThan(only('INSERT')?.timestamp as bigint);
  });

  it('readiness reads our table at LOCAL_QUORUM, once a second however often it is asked', async () => {
    const before = executions('SELECT').length;
    const began = Date.now();
    for (let i = 0; i < 200; i++) await readiness(behind);
    while (executions('SELECT').length === before) await readiness(behind);
    const probes = executions('SELECT').slice(before);
    expect(probes.length).toBeLessThanOrEqual(Math.ceil((Date.now() - began) / 1000) + 1);
    expect(new Set(probes.map(({ consistency }) => consistency))).toEqual(new Set([LOCAL_QUORUM]));
  });

  it('four statements are prepared, however many TTLs and keys there are', async () => {
    const others = await Promise.all(
      [0, 60, 3600].map((ttl) => start({ table: 'watched', data_path: dataPath }, { default_ttl: ttl })),
    );
    await Promise.all(others.map((each) => untilReady(each)));
    for (const service of [behind, ...others]) {
      const key = service.url(`key of ${service.pid}`);
      await request(key).post('').send('Ada').expect(201);
      await request(key).get('').expect(200);
      await request(key).delete('').expect(204);
    }
    const { rows } = await cql('SELECT query_string FROM system.prepared_statements');
    const ours = rows
      .map((each) => each.query_string as string)
      .filter((each) => each.includes('."watched"'));
    expect(ours.sort()).toEqual([
      `DELETE FROM "${keyspace}"."watched" WHERE key = ?`,
      `INSERT INTO "${keyspace}"."watched" (key, value) VALUES (?, ?) USING TTL ?`,
      `SELECT value, TTL(value) FROM "${keyspace}"."watched" WHERE key = ?`,
      `SELECT value, TTL(value), WRITETIME(value) FROM "${keyspace}"."watched" WHERE key = ?`,
    ]);
  });

  describe('a statement that the node has forgotten', () => {
    const table = `forgotten_${dataPath}_${version}`;
    let service: KaskProcess;

    async function forget(): Promise<void> {
      await cql(`DROP TABLE IF EXISTS ${keyspace}.${table}`);
      await cql(`CREATE TABLE ${keyspace}.${table} (key text PRIMARY KEY, value blob)`);
    }

    beforeAll(async () => {
      await forget();
      service = await startBehind(table);
      await request(service.origin).post(service.path('key')).send('Ada').expect(201);
    });

    it('is prepared and sent again, with the timestamp that it had', async () => {
      await forget();
      const before = executions('INSERT').length;
      await request(service.origin).post(service.path('key')).send('Bob').expect(201);
      const sent = executions('INSERT').slice(before);
      expect(sent).toHaveLength(2);
      expect(sent[1]).toEqual(sent[0]);
      await request(service.origin).get(service.path('key')).expect(200, Buffer.from('Bob'));
      await request(service.origin).delete(service.path('key')).expect(204);
    });

    it('is prepared in the time of the request that needs it', async () => {
      await forget();
      try {
        proxy.delayMs = 1400; // two answers in turn take longer than the limit, each alone does not
        const answer = await request(service.origin).post(service.path('late')).send('Ada').expect(504);
        expect(answer.body.detail).toBe(
          'The storage did not answer in time: Cassandra did not answer in time',
        );
      } finally {
        proxy.delayMs = 0;
      }
    });
  });
});

it.each(DATA_PATHS)(
  'connections of the %s that break again and again end no process, and are not left behind',
  async (dataPath) => {
    const proxy = await CqlProxy.start(hosts[0] as string, port);
    try {
      const service = await start({
        hosts: ['127.0.0.1'],
        port: proxy.port,
        connect_timeout_ms: 1000,
        data_path: dataPath,
      });
      // At any moment of the driver's way back; left to itself, it ends the process within 6 s.
      for (let cuts = 0; cuts < 45; cuts++) {
        await new Promise((resolve) => setTimeout(resolve, 20 + ((cuts * 37) % 500)));
        proxy.cut();
      }
      await eventually(async () => {
        await request(service.origin).get(service.path('key')).expect(404);
        expect(proxy.connections).toBe(await metric(service, 'kask_cassandra_connections'));
      }, 10_000);
    } finally {
      await proxy.stop();
    }
  },
);

describe('a schema that is not there', () => {
  const session = (service: KaskProcess) => request(service.origin).get(service.path('key'));

  it('is named with the CQL that creates keyspace and table; created, it serves', async () => {
    const service = await start({ keyspace: `New_${id}` });
    const expected =
      `Cassandra lacks the table of sessions: keyspace "New_${id}" is missing; it is created by: ` +
      `CREATE KEYSPACE "New_${id}" WITH replication = {'class': 'NetworkTopologyStrategy', '${datacenter}': ${Math.min(3, client.hosts.length)}}; ` +
      `CREATE TABLE "New_${id}"."values" (key text PRIMARY KEY, value blob);`;
    expect(await readiness(service)).toEqual({ status: 503, reason: expected });
    expect(lines(service, 'ERROR').map(({ msg, reason }) => ({ msg, reason }))).toEqual([
      { msg: 'storage does not serve', reason: expected },
    ]);
    await session(service).expect(503).expect('Retry-After', '1');

    for (const statement of statementsIn(expected)) await cql(statement);
    await untilReady(service);
    await session(service).expect(404);
  });

  it('is named where only the table is missing; created, it serves', async () => {
    const service = await start({ table: 'late' });
    const { reason = '' } = await readiness(service);
    expect(reason).toContain(`table "${keyspace}"."late" is missing; it is created by: CREATE TABLE`);
    await session(service).expect(503);

    for (const statement of statementsIn(reason)) await cql(statement);
    await untilReady(service);
    await session(service).expect(404);
  });

  it('is named where the table is another; replaced, it serves', async () => {
    await cql(`CREATE TABLE ${keyspace}.other (key uuid PRIMARY KEY, value text)`);
    const service = await start({ table: 'other' });
    const { reason = '' } = await readiness(service);
    expect(reason).toContain(
      `table "${keyspace}"."other" is not one of sessions (its columns: key uuid partition_key, value text regular)`,
    );
    await session(service).expect(503);

    await cql(`DROP TABLE ${keyspace}.other`);
    for (const statement of statementsIn(reason)) await cql(statement);
    await untilReady(service);
    await session(service).expect(404);
  });

  it.each(DATA_PATHS)(
    'is named when the table is dropped under the %s; created again, it serves',
    async (dataPath) => {
      await cql(`DROP TABLE IF EXISTS ${keyspace}.brief`);
      await cql(`CREATE TABLE ${keyspace}.brief (key text PRIMARY KEY, value blob)`);
      const service = await start({ table: 'brief', data_path: dataPath });
      await request(service.origin).post(service.path('key')).send('Ada').expect(201);

      await cql(`DROP TABLE ${keyspace}.brief`);
      await session(service).expect(503).expect('Retry-After', '1');
      await request(service.origin).post(service.path('key')).send('Ada').expect(503);
      await request(service.origin).delete(service.path('key')).expect(503);
      const reason = await untilNotReady(service, /created by/);
      expect(reason).toContain(`table "${keyspace}"."brief" is missing; it is created by: CREATE TABLE`);

      for (const statement of statementsIn(reason)) await cql(statement);
      await untilReady(service);
      await session(service).expect(404);
      await request(service.origin).post(service.path('key')).send('Ada').expect(201);
      await session(service).expect(200);
    },
  );
});

describe('local_dc', () => {
  it('is found from the contact points, with a warning', async () => {
    const service = await start({ local_dc: undefined });
    await untilReady(service);
    expect(lines(service, 'WARNING').map(({ msg, datacenters }) => ({ msg, datacenters }))).toEqual([
      {
        msg: `cassandra.local_dc is not set: taking ${datacenter} from the contact points`,
        datacenters: [datacenter],
      },
    ]);
  });

  it('that does not exist is named with those that do', async () => {
    const service = await start({ local_dc: 'atlantis' });
    expect(await readiness(service)).toEqual({
      status: 503,
      reason: `not connected to Cassandra: cassandra.local_dc is atlantis, but the datacenters of the cluster are: ${datacenter}`,
    });
    await request(service.origin).get(service.path('key')).expect(503);
  });

  it('that is wrong leaves no connections open on the nodes', async () => {
    const before = await connectionsOfDrivers();
    const service = await start({ local_dc: 'atlantis' });
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect(await connectionsOfDrivers()).toBeLessThanOrEqual(before + 2);
    await service.stop();
  });

  async function connectionsOfDrivers(): Promise<number> {
    return (await cql('SELECT address, port FROM system_views.clients')).rowLength;
  }
});

it('the state of driver and lane is measured', async () => {
  expect(await metric(kask, 'kask_cassandra_hosts')).toBe(client.hosts.length);
  expect(await metric(kask, 'kask_cassandra_hosts_up')).toBe(client.hosts.length);
  expect(await metric(kask, 'kask_cassandra_connections')).toBeGreaterThanOrEqual(1);
  expect(await metric(kask, 'kask_cassandra_requests_in_flight')).toBeGreaterThanOrEqual(0);
});

it('a host name that is none is named', async () => {
  const service = await start({ hosts: ['nowhere.invalid'] });
  expect(await readiness(service)).toEqual({
    status: 503,
    reason: 'not connected to Cassandra: No host could be resolved',
  });
});
