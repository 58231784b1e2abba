import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KaskProcess } from '../harness/kask.js';
import { exchange, RawConnection } from '../harness/raw-http.js';
import { SealingKeyFiles } from '../harness/sealing-keys.js';

jest.setTimeout(60_000);

const NAMESPACES = {
  sessions: { keys: ['*:MWSession:*'] },
  centralauth: { keys: ['global:session:centralauth:*'] },
  unused: { keys: ['*:MWSession:never'] },
};
const ALICE = 'enwiki:MWSession:alice';

let directory: string;
let kask: KaskProcess;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'kask-namespaces-'));
  const key_file = path.join(directory, 'sealing-keys');
  new SealingKeyFiles().write(key_file, ['value a', 'row a']);
  kask = await KaskProcess.start({ storage: 'embedded', namespaces: NAMESPACES, encryption: { key_file } });
});
afterAll(async () => {
  await kask?.stop();
  rmSync(directory, { recursive: true });
});

async function send(service: KaskProcess, method: string, key: string, body?: string): Promise<Response> {
  const answer = await fetch(service.url(key), { method, body });
  await answer.arrayBuffer();
  return answer;
}

const write = (service: KaskProcess, key: string, body: string) => send(service, 'POST', key, body);

/** The samples that are not zero, by metric and labels, without what is common to all. */
async function counted(service: KaskProcess): Promise<Record<string, number>> {
  const text = await (await fetch(`${service.management || service.origin}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('kask_namespace_') && !line.endsWith(' 0'));
  const samples = lines.map((line): [string, number] => {
    const [, name = '', value = ''] = /^kask_namespace_(.*) (\S+)$/.exec(line) ?? [];
    return [name.replaceAll(/\w+="(\w+)"/g, '$1'), Number(value)];
  });
  return Object.fromEntries(samples.filter(([name]) => !name.includes('_bucket')));
}

describe('namespaces', () => {
  it('tell apart what there is of each kind, as clients see it, and how often a write changes nothing', async () => {
    await write(kask, ALICE, 'x'.repeat(300));
    await write(kask, ALICE, 'x'.repeat(300));
    await write(kask, ALICE, 'y'.repeat(500));
    await send(kask, 'GET', ALICE);
    await send(kask, 'HEAD', ALICE);
    await send(kask, 'GET', 'enwiki:MWSession:absent');
    await send(kask, 'DELETE', ALICE);
    await write(kask, ALICE, 'y'.repeat(500));
    await write(kask, 'global:session:centralauth:bob', 'z'.repeat(200));
    await send(kask, 'GET', 'global:echo:seen:1');
    expect(await counted(kask)).toEqual({
      'operations_total{sessions,get,ok}': 2,
      'operations_total{sessions,get,miss}': 1,
      'operations_total{sessions,set,ok}': 4,
      'operations_total{sessions,delete,ok}': 1,
      'operations_total{centralauth,set,ok}': 1,
      'operations_total{other,get,miss}': 1,
      'compared_writes_total{sessions,changed}': 1,
      'compared_writes_total{sessions,unchanged}': 1,
      'value_bytes_sum{sessions,read}': 1_000,
      'value_bytes_count{sessions,read}': 2,
      'value_bytes_sum{sessions,written}': 1_600,
      'value_bytes_count{sessions,written}': 4,
      'value_bytes_sum{centralauth,written}': 200,
      'value_bytes_count{centralauth,written}': 1,
    });
  });

  it('have all their samples from the start', async () => {
    const text = await (await fetch(`${kask.origin}/metrics`)).text();
    for (const name of [...Object.keys(NAMESPACES), 'other'])
      for (const [labels, results] of Object.entries({
        'operation="get"': ['ok', 'miss', 'error'],
        'operation="set"': ['ok', 'error', 'over_budget'],
        'operation="delete"': ['ok', 'error'],
      }))
        for (const result of results)
          expect(text).toContain(
            `kask_namespace_operations_total{namespace="${name}",${labels},result="${result}"} `,
          );
    expect(text.match(/^kask_namespace_value_bytes_bucket/gm)).toHaveLength(4 * 2 * 9);
  });

  it('that nobody named are one', async () => {
    const plain = await KaskProcess.start({ storage: 'embedded' });
    await write(plain, ALICE, 'x');
    expect(await counted(plain)).toEqual({
      'operations_total{other,set,ok}': 1,
      'value_bytes_sum{other,written}': 1,
      'value_bytes_count{other,written}': 1,
    });
    await plain.stop();
  });

  it('count what fails', async () => {
    const cassandra = { hosts: ['127.0.0.1'], port: 1, local_dc: 'dc1', connect_timeout_ms: 500 };
    const away = await KaskProcess.start({ cassandra, namespaces: NAMESPACES });
    await write(away, ALICE, 'x');
    await send(away, 'GET', ALICE);
    await send(away, 'DELETE', ALICE);
    expect(await counted(away)).toEqual({
      'operations_total{sessions,get,error}': 1,
      'operations_total{sessions,set,error}': 1,
      'operations_total{sessions,delete,error}': 1,
    });
    await away.stop();
  });
});

describe('a budget', () => {
  const BIG = 'x'.repeat(100_000);
  const CHUNKED = { 'Transfer-Encoding': 'chunked' };
  let budgeted: KaskProcess;

  beforeAll(async () => {
    const locks = { keys: ['*:lock'], write_bytes_per_second: 1 };
    const seen = { keys: ['*:seen:*'], write_bytes_per_second: 25_000 };
    const once = { keys: ['once:*'], write_bytes_per_second: 10, atomic: true };
    budgeted = await KaskProcess.start({ storage: 'embedded', namespaces: { locks, seen, once } });
    await write(budgeted, `${ALICE}:lock`, BIG);
  });
  afterAll(() => budgeted.stop());

  it('is not used up by writes that were not made', async () => {
    const create = { method: 'PUT', headers: { 'If-None-Match': '*' }, body: 'x'.repeat(45) };
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push((await fetch(budgeted.url('once:taken'), create)).status);
    expect(answers).toEqual([201, 412, 412, 412, 412]);
  });

  it('that is used up refuses writes with 429, and tells which kind and when to ask again', async () => {
    const answer = await fetch(budgeted.url('bob:lock'), { method: 'PUT', body: 'x' });
    expect([answer.status, Number(answer.headers.get('retry-after'))]).toEqual([429, expect.any(Number)]);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(50_000);
    expect(await answer.json()).toMatchObject({
      type: 'https://www.mediawiki.org/wiki/Kask/errors/over_budget',
      detail: expect.stringContaining(' locks ') as string,
      instance: '/sessions/v1/:key',
    });
    const metrics = await (await fetch(`${budgeted.origin}/metrics`)).text();
    expect(metrics).toMatch(/http_requests_total\{code="429",method="PUT"\} [1-9]/);
    expect(metrics).toMatch(
      /operations_total\{namespace="locks",operation="set",result="over_budget"\} [1-9]/,
    );
    expect(metrics).toMatch(/kask_storage_operations_total\{operation="set",result="ok"\} 1\n/);
    expect(metrics).toContain('kask_namespace_budget_bytes_per_second{namespace="locks"} 1\n');
    expect(metrics).not.toContain('kask_namespace_budget_bytes_per_second{namespace="other"}');
  });

  it('refuses no read, no delete, and nothing of another kind', async () => {
    expect((await send(budgeted, 'GET', `${ALICE}:lock`)).status).toBe(200);
    expect((await send(budgeted, 'DELETE', 'bob:lock')).status).toBe(204);
    expect((await write(budgeted, ALICE, BIG)).status).toBe(201);
  });

  it('lets nobody send what will be refused', async () => {
    const target = budgeted.path('bob:lock');
    const headers = { Expect: '100-continue', 'Content-Length': '100000' };
    expect((await exchange(budgeted.origin, { method: 'PUT', target, headers })).status).toBe(429);
    const chunked = { method: 'PUT', target, headers: CHUNKED, body: '5\r\nhello\r\n' };
    expect((await exchange(budgeted.origin, chunked)).status).toBe(429);
  });

  it('keeps the connection of a small write that it refuses', async () => {
    const connection = await RawConnection.open(budgeted.origin);
    const request = (method: string) =>
      `${method} ${budgeted.path('bob:lock')} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello`;
    connection.send(request('PUT') + request('DELETE'));
    expect([(await connection.answer()).status, (await connection.answer()).status]).toEqual([429, 204]);
    connection.destroy();
  });

  it('takes a value larger than its burst when it is whole, and others again once that is paid for', async () => {
    const start = performance.now();
    expect((await write(budgeted, 'wiki:seen:1', 'x'.repeat(300_000))).status).toBe(201);
    const statuses = new Set<number>();
    for (let status = 0; status !== 201; statuses.add(status)) {
      const body = statuses.size === 1 ? '5\r\nhello\r\n0\r\n\r\n' : 'hello';
      const headers = statuses.size === 1 ? CHUNKED : {};
      const request = { method: 'PUT', target: budgeted.path('wiki:seen:2'), headers, body };
      ({ status } = await exchange(budgeted.origin, request));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // Of 300,000 bytes a burst of 250,000 was there; the rest takes two seconds.
    expect(performance.now() - start).toBeGreaterThanOrEqual(1_990);
    expect([...statuses].every((status) => [201, 429].includes(status))).toBe(true);
  });

  it('names no session in its lines of the log', () => {
    const lines = budgeted.logs().filter(({ status }) => status === 429);
    expect(lines.length).toBeGreaterThan(0);
    expect(budgeted.stdout).not.toContain('bob');
  });
});

describe('the top', () => {
  const SECRET = 'a secret of more than thirty-two bytes';
  const hash = (text: string, digits: number) =>
    createHmac('sha256', SECRET).update(text).digest('hex').slice(0, digits);
  const nameOf = (key: string) => `${hash('\0id', 4)}-${hash(key, 16)}`;
  const management = { listen_address: '127.0.0.1', listen_port: 0 };
  let managed: KaskProcess;

  beforeAll(async () => {
    const log_key_file = path.join(directory, 'log-key');
    writeFileSync(log_key_file, SECRET, { mode: 0o600 });
    managed = await KaskProcess.start({
      storage: 'embedded',
      namespaces: NAMESPACES,
      management,
      log_key_file,
    });
    for (const key of [ALICE, 'bobs own', ALICE, 'carols own', ALICE, 'bobs own'])
      await write(managed, key, 'abc');
  });
  afterAll(() => managed.stop());

  it('has the sessions that were rewritten, by the hashes that the log has', async () => {
    const answer = await fetch(`${managed.management}/top`);
    expect(await answer.json()).toEqual({
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      hashed_with: 'log_key_file',
      writes: 6,
      bytes: 18,
      sessions: [
        { session: nameOf(ALICE), namespace: 'sessions', writes: 3, bytes: 9, share: 0.5 },
        { session: nameOf('bobs own'), namespace: 'other', writes: 2, bytes: 6, share: 2 / 6 },
      ],
    });
  });

  it('is nowhere but on the management port', async () => {
    expect((await exchange(managed.origin, { target: '/top' })).status).toBe(404);
    expect((await exchange(kask.origin, { target: '/top' })).status).toBe(404);
    const root = await KaskProcess.start({ storage: 'embedded', management, base_uri: '/' });
    await fetch(`${root.origin}/top`, { method: 'PUT', body: 'a session' });
    expect(await (await fetch(`${root.origin}/top`)).text()).toBe('a session');
    await root.stop();
  });

  it('is what kask top shows', async () => {
    const listen_port = Number(new URL(managed.management).port);
    const shown = await top({ management: { listen_address: '0.0.0.0', listen_port } });
    const [summary, ...lines] = shown.stdout.split('\n');
    expect([await shown.exited, shown.stderr]).toEqual([0, '']);
    expect(summary).toMatch(/^6 writes, 18 bytes since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(lines.map((line) => line.split(/\s+/))).toEqual([
      'Sessions are named by hashes with log_key_file.'.split(' '),
      [''],
      ['SESSION', 'NAMESPACE', 'WRITES', 'SHARE', 'BYTES'],
      [nameOf(ALICE), 'sessions', '3', '50.0', '%', '9'],
      [nameOf('bobs own'), 'other', '2', '33.3', '%', '6'],
      [''],
    ]);
    expect(Math.max(...lines.map(({ length }) => length))).toBe(80);
  });

  it.each([
    ['no management port', {}, 64, "'top' needs the setting management"],
    ['a port that nobody knows', { management }, 64, 'a management.listen_port other than 0'],
    // Port 1 of this machine refuses connections.
    ['nobody there', { management: { ...management, listen_port: 1 } }, 69, 'from http://127.0.0.1:1/top: '],
  ])('is not shown with %s, and says why in one line', async (_, settings, code, message) => {
    const shown = await top(settings);
    expect(await shown.exited).toBe(code);
    expect(shown.stdout + shown.stderr).toMatch(/^(kask: |fail {2}service: ).*\n$/);
    expect(shown.stdout + shown.stderr).toContain(message);
  });

  it('shows no key, nor do metrics and log', async () => {
    const pages = ['/top', '/metrics'].map(async (page) => (await fetch(managed.management + page)).text());
    for (const text of [...(await Promise.all(pages)), managed.stdout]) {
      expect(text).not.toMatch(/alice|bobs own|carols own/);
    }
  });

  async function top(settings: Record<string, unknown>): Promise<KaskProcess> {
    const shown = KaskProcess.spawn({ storage: 'embedded', ...settings }, { args: ['top'] });
    await shown.exited;
    return shown;
  }
});
