import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../harness/free-ports.js';
import { KaskProcess } from '../harness/kask.js';

/** What takes a tenth of a start or more, or of its memory, and is not needed. */
const NEVER = ['ajv', 'libphonenumber-js', 'validator'];

describe('a start', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'kask-start-'))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const embedded = () => ({ storage: 'embedded', embedded: { path: path.join(directory, 'data') } });
  const cassandra = () => ({ storage: 'cassandra', cassandra: { hosts: ['sessionstore.invalid'] } });

  it.each([
    ['the embedded store', embedded, 'lmdb', 'cassandra-driver'],
    ['Cassandra', cassandra, 'cassandra-driver', 'lmdb'],
  ])('on %s loads no other, and nothing that takes long for nothing', async (_, settings, needed, other) => {
    const coverage = path.join(directory, 'coverage');
    const kask = await KaskProcess.start(settings(), { env: { NODE_V8_COVERAGE: coverage } });
    await kask.stop();
    const packages = packagesLoaded(coverage);
    expect(packages).toContain(needed);
    expect(packages).toContain('class-validator');
    expect(packages.filter((name) => [other, ...NEVER].includes(name))).toEqual([]);
  });

  it('is with the flags of Node that its first line has', async () => {
    const main = readFileSync(path.resolve(__dirname, '../../dist/main.js'), 'utf8');
    const flags = /^#!.* node (--.+)/.exec(main)?.[1]?.split(' ');
    const kask = await KaskProcess.start(embedded());
    const [, ...given] = readFileSync(`/proc/${kask.pid}/cmdline`, 'utf8').split('\0');
    expect(given.slice(0, flags?.length)).toEqual(flags);
    await kask.stop();
  });

  it('is survived by probes of the management port that come as soon as it is open', async () => {
    const [listen_port] = await freePorts(1);
    const management = { listen_address: '127.0.0.1', listen_port };
    const starting = KaskProcess.start({ ...cassandra(), management });
    const probe = () => fetch(`http://127.0.0.1:${listen_port}/healthz/live`).catch(() => undefined);
    let answer: Response | undefined;
    do answer = await probe();
    while (!answer && (await Promise.race([starting.then(() => 'up'), sleep(1)])) !== 'up');
    await starting;
    expect((await probe())?.status).toBe(200);
    await (await starting).stop();
  });
});

/** By what Node itself says at its end, where it is asked how much of each script was run. */
function packagesLoaded(coverage: string): string[] {
  const reports = readdirSync(coverage).map((name) => readFileSync(path.join(coverage, name), 'utf8'));
  const urls = reports.flatMap((report) => (JSON.parse(report) as { result: { url: string }[] }).result);
  const names = urls.flatMap(({ url }) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
  return [...new Set(names)].sort();
}
