import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KaskProcess } from '../harness/kask.js';
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
