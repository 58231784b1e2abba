import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'cassandra-driver';
import request from 'supertest';
import {
  sharedCassandra,
  type TestKeyspace,
  uniqueKeyspace,
} from '../harness/cassandra/cluster-of-the-run.js';
import { KaskProcess } from '../harness/kask.js';
import { SealingKeyFiles } from '../harness/sealing-keys.js';

jest.setTimeout(120_000);

const MARK = 'MARKEDSESSIONKEY';
const VALUE = 'JSON.MARKEDSESSIONVALUE.{}';
const FUTURE = '9999-12-31';

const { hosts, port, datacenter } = sharedCassandra();
const client = new Client({ contactPoints: hosts, protocolOptions: { port }, localDataCenter: datacenter });
const keyFiles = new SealingKeyFiles();
const services: KaskProcess[] = [];
let keyspace: TestKeyspace;
let directory: string;

beforeAll(async () => {
  keyspace = await uniqueKeyspace();
  await client.connect();
});
afterAll(async () => {
  await client.shutdown();
  await keyspace.drop();
});
beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'kask-encryption-'))));
afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.stop()));
  await client.execute(`TRUNCATE ${keyspace.name}."values"`);
  rmSync(directory, { recursive: true });
});

const keyFile = (name: string): string => path.join(directory, name);

/** A process with a file of keys of its own, as each pod has. */
async function start(lines: string[] | undefined, window = {}, more = {}): Promise<KaskProcess> {
  const file = keyFile(`keys-${services.length}`);
  if (lines) keyFiles.write(file, lines);
  const service = await KaskProcess.start({
    cassandra: { hosts, port, keyspace: keyspace.name, local_dc: datacenter },
    ...(lines && { encryption: { key_file: file, ...window } }),
    ...more,
  });
  services.push(service);
  return service;
}

async function change(service: KaskProcess, lines: string[]): Promise<void> {
  const taken = (): number => service.logs().filter(({ msg }) => msg === 'encryption keys taken up').length;
  const before = taken();
  keyFiles.write(keyFile(`keys-${services.indexOf(service)}`), lines);
  await service.waitForLog(() => taken() > before);
}

const put = (service: KaskProcess, key: string, value: string) =>
  request(service.origin).put(service.path(key)).send(value);
const get = (service: KaskProcess, key: string) => request(service.origin).get(service.path(key));
const remove = (service: KaskProcess, key: string) => request(service.origin).delete(service.path(key));

interface Row {
  key: string;
  value: Buffer;
}

async function dump(): Promise<Row[]> {
  const { rows } = await client.execute(`SELECT key, value FROM ${keyspace.name}."values"`);
  return rows.map((row) => ({ key: row.key as string, value: row.value as Buffer }));
}

describe('a dump', () => {
  it('of the table has neither keys nor values', async () => {
    const service = await start(['value a', 'row a']);
    for (let i = 0; i < 20; i++) await put(service, `${MARK}${i}`, VALUE).expect(201);
    expect((await get(service, `${MARK}7`).expect(200)).body).toEqual(Buffer.from(VALUE));

    const rows = await dump();
    expect(rows).toHaveLength(20);
    for (const { key, value } of rows) {
      expect(key).toMatch(/^kask:row:[\w-]{43}$/);
      expect(value).toHaveLength(VALUE.length + 38);
      expect(value.includes('MARKED')).toBe(false);
    }
    await remove(service, `${MARK}7`).expect(204);
    expect(await dump()).toHaveLength(19);
    expect(service.stdout).not.toContain(MARK);
  });

  it('of the embedded store neither', async () => {
    const data = path.join(directory, 'data');
    const embedded = { storage: 'embedded', embedded: { path: data } };
    const service = await start(['value a', 'row a'], {}, embedded);
    for (let i = 0; i < 20; i++) await put(service, `${MARK}${i}`, VALUE).expect(201);
    expect((await get(service, `${MARK}7`).expect(200)).body).toEqual(Buffer.from(VALUE));
    const file = readFileSync(path.join(data, 'data.mdb'));
    expect(file.includes('kask:row:')).toBe(true);
    expect(file.includes('MARKED')).toBe(false);
  });
});

describe('a value that does not open', () => {
  it('is our fault, told without its key, and no absent session', async () => {
    const service = await start(['value a', 'row a']);
    await put(service, MARK, VALUE).expect(201);
    const other = await start(['value b', 'row a']);
    const answer = await get(other, MARK).set('X-Request-ID', 'unopenable').expect(500);
    expect(answer.body).toMatchObject({ title: 'Internal server error' });
    const line = await other.waitForLog(({ request_id }) => request_id === 'unopenable');
    expect(line.reason).toMatch(/^UnopenableValue unknown_key\n/);
    expect(other.stdout).not.toContain(MARK);
    const metrics = await request(other.origin).get('/metrics');
    expect(metrics.text).toContain('kask_encryption_unopenable_total{reason="unknown_key"} 1');

    const [{ key }] = (await dump()) as [Row];
    const update = `UPDATE ${keyspace.name}."values" SET value = ? WHERE key = ?`;
    await client.execute(update, [Buffer.from(VALUE.repeat(3)), key], { prepare: true });
    await get(service, MARK).expect(500);
    await put(service, MARK, 'anew').expect(201);
    await get(service, MARK).expect(200);
  });
});

describe('a change while requests come', () => {
  interface Tally {
    requests: number;
    wrong: string[];
  }

  /** Sessions of one client, each step on any process: what was acknowledged is what everybody reads next. */
  async function users(
    processes: KaskProcess[],
    name: string,
    isOver: () => boolean,
    tally: Tally,
  ): Promise<void> {
    const any = (): KaskProcess => processes[Math.floor(Math.random() * processes.length)]!;
    const check = async (key: string, expected: string | undefined): Promise<void> => {
      for (const service of processes) {
        tally.requests++;
        const answer = await get(service, key);
        const found = answer.status === 200 ? (answer.body as Buffer).toString() : undefined;
        if (answer.status !== (expected ? 200 : 404) || found !== expected)
          tally.wrong.push(`${answer.status} ${found} instead of ${expected}`);
      }
    };
    for (let i = 0; !isOver(); i++) {
      const key = `${name}:${i % 10}`;
      for (const value of [`${i}a`, `${i}b`]) {
        tally.requests++;
        const { status } = await put(any(), key, value);
        if (status !== 201) tally.wrong.push(`PUT ${status}`);
        await check(key, value);
      }
      if (i % 3 > 0) continue;
      tally.requests++;
      const { status } = await remove(any(), key);
      if (status !== 204) tally.wrong.push(`DELETE ${status}`);
      await check(key, undefined);
    }
  }

  async function underLoad(processes: KaskProcess[], step: () => Promise<void>): Promise<Tally> {
    const tally: Tally = { requests: 0, wrong: [] };
    let over = false;
    const clients = ['ada', 'bob', 'eve', 'joe'].map((name) => users(processes, name, () => over, tally));
    await step();
    over = true;
    await Promise.all(clients);
    return tally;
  }

  const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2_000));

  it('to encryption: processes that seal and that do not yet see the same sessions', async () => {
    const bare = await start(undefined);
    await put(bare, MARK, VALUE).expect(201);
    const window = { read_unencrypted_until: FUTURE };
    const keys = ['value a', 'row a'];
    const sealFrom = [12_000, 16_000].map((ms) => Date.now() + ms) as [number, number];
    const [one, other] = [
      await start(keys, { ...window, seal_from: new Date(sealFrom[0]).toISOString() }),
      await start(keys, { ...window, seal_from: new Date(sealFrom[1]).toISOString() }),
    ];
    const tally = await underLoad([one, other], async () => {
      while (!(await dump()).some(({ key }) => key.startsWith('kask:row:'))) await aWhile();
      while (Date.now() < sealFrom[1]) await aWhile();
      await aWhile();
    });
    expect(tally.wrong).toEqual([]);
    expect(tally.requests).toBeGreaterThan(50);
    expect((await get(one, MARK).expect(200)).body).toEqual(Buffer.from(VALUE));
    const metrics = await request(one.origin).get('/metrics');
    expect(metrics.text).toMatch(/kask_encryption_reads_total\{row="unencrypted",key="none"\} [1-9]/);
    await remove(other, MARK).expect(204);
    expect((await dump()).filter(({ key }) => key === MARK)).toEqual([]);
    console.info(`migration: ${tally.requests} requests, ${tally.wrong.length} wrong`);
  });

  it('of every key: processes before and after it see the same sessions', async () => {
    const first = ['value a', 'row a'];
    const [one, other] = [await start(first), await start(first)];
    const steps = [
      ['value a', 'value b', 'next-row b', 'row a'],
      ['value b', 'value a', 'row b', 'row a'],
    ];
    const tally = await underLoad([one, other], async () => {
      for (const lines of steps) for (const service of [one, other]) await change(service, lines);
      await aWhile();
    });
    expect(tally.wrong).toEqual([]);
    expect(tally.requests).toBeGreaterThan(50);
    console.info(`rotation: ${tally.requests} requests, ${tally.wrong.length} wrong`);

    await put(one, MARK, VALUE).expect(201);
    await change(one, ['value b', 'row b']);
    expect((await get(one, MARK).expect(200)).body).toEqual(Buffer.from(VALUE));
  });

  it('that is none leaves the old keys in force', async () => {
    const service = await start(['value a', 'row a']);
    await put(service, MARK, VALUE).expect(201);
    writeFileSync(keyFile('keys-0'), 'value a: MARKEDSECRET\n');
    const line = await service.waitForLog(({ level }) => level === 'ERROR');
    expect(line).toMatchObject({
      msg: 'the new encryption keys cannot be used: the old ones stay',
      faults: ['line 1: the secret is not the base64 of 32 bytes'],
    });
    expect(service.stdout).not.toContain('MARKEDSECRET');
    await get(service, MARK).expect(200);
  });
});

describe('settings that cannot be used', () => {
  it('keep it from starting, each named, and no secret shown', async () => {
    const secret = randomBytes(32).toString('base64');
    writeFileSync(keyFile('keys'), `value a: ${secret}\nvalue b: ${secret}\nvalue c\n`);
    writeFileSync(keyFile('log'), 'MARKEDSECRET');
    const service = KaskProcess.spawn({
      storage: 'embedded',
      embedded: { path: path.join(directory, 'data') },
      encryption: { key_file: keyFile('keys'), seal_from: '2027-02-31', read_unencrypted_until: 'soon' },
      log_key_file: keyFile('log'),
    });
    expect(await service.exited).toBe(78);
    for (const fault of [
      'where line 3 is none of',
      'where line 2: the same secret as in line 1',
      'encryption.read_unencrypted_until: found "soon"; allowed: date',
      'where there are less than 32 bytes',
    ])
      expect(service.stderr).toContain(fault);
    expect(service.stderr).not.toContain(secret);
    expect(service.stderr).not.toContain('MARKEDSECRET');
  });

  it('tell of a file that every user may read, and start', async () => {
    const log = keyFile('log');
    writeFileSync(log, 'x'.repeat(32), { mode: 0o644 });
    const service = await start(['value a', 'row a'], {}, { log_key_file: log });
    expect(service.logs().filter(({ level }) => level === 'WARNING')).toMatchObject([
      { msg: expect.stringMatching(/^log_key_file: every user of this machine may read/) },
    ]);
  });
});
