import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { createCertificates, type Certificates } from '../harness/certificates.js';
import { asInContainer, permitting, type Permissions } from '../harness/confinement.js';
import { KaskProcess, type KaskOptions } from '../harness/kask.js';
import { exchange } from '../harness/raw-http.js';
import { REPOSITORY } from '../harness/repository.js';
import { readSystemCalls, tracing } from '../harness/system-calls.js';

const PROBE = path.join(REPOSITORY, 'test/harness/confinement-probe.cjs');
const MISCONFIGURED = 78;
const OUTAGE = { cassandra: { hosts: ['sessionstore.invalid'] } };
/** Of strace: what opens a file for writing, or makes, renames, changes or removes one. */
const CHANGES =
  /^(?:open.*O_(?:WRONLY|RDWR|CREAT|TRUNC)|(?:mkdir|mknod|rename|unlink|rmdir|link|symlink|truncate|creat|chmod|fchmodat|chown|fchownat))/;

describe('a service that is confined', () => {
  let directory: string;
  const at = (name: string): string => path.join(directory, name);
  const started: KaskProcess[] = [];
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'kask-confined-'));
    // Whoever the service is may write here, unless what confines it is against that.
    chmodSync(directory, 0o777);
    mkdirSync(at('data'));
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((kask) => kask.kill()));
    rmSync(directory, { recursive: true, force: true });
  });

  const embedded = () => ({ storage: 'embedded', embedded: { path: at('data') } });
  const start = async (settings: Record<string, unknown>, options: KaskOptions): Promise<KaskProcess> => {
    mkdirSync(at('configuration'), { recursive: true });
    const kask = await KaskProcess.start(settings, { directory: at('configuration'), ...options });
    started.push(kask);
    return kask;
  };

  describe("by Node's permission model", () => {
    const onEmbedded = (): Permissions => ({ read: [], write: [at('data/')], addons: true });
    const onCassandra = (): Permissions => ({ read: [] });

    it.each([
      ['the embedded store', embedded, onEmbedded, { status: 201, native: 'ERR_DLOPEN_FAILED' }],
      ['Cassandra', () => OUTAGE, onCassandra, { status: 503, native: 'ERR_DLOPEN_DISABLED' }],
    ])('serves from %s, and is refused what it does not need', async (_, settings, needs, expected) => {
      const { read, ...more } = needs();
      const confined = permitting({ ...more, read: [at('configuration/'), PROBE, ...read] });
      const kask = await start(settings(), probed(confined));
      expect(await outcomes(kask)).toEqual({
        'child process': 'ERR_ACCESS_DENIED',
        'worker thread': 'ERR_ACCESS_DENIED',
        'write elsewhere': 'ERR_ACCESS_DENIED',
        'write over its program': 'ERR_ACCESS_DENIED',
        'read elsewhere': 'ERR_ACCESS_DENIED',
        'native code': expected.native,
      });
      expect(existsSync(at('elsewhere'))).toBe(false);
      expect((await put(kask)).status).toBe(expected.status);
      expect((await fetch(`${kask.origin}/healthz`)).status).toBe(200);
      expect((await fetch(`${kask.origin}/metrics`)).status).toBe(200);
      expect((await fetch(`${kask.origin}/openapi`)).status).toBe(200);
      expect(await kask.stop()).toBe(0);
    });

    it('would be let do all of it without', async () => {
      const kask = await start(embedded(), probed([process.execPath]));
      const { 'native code': native, ...others } = await outcomes(kask);
      expect(native).toBe('ERR_DLOPEN_FAILED');
      expect(new Set(Object.values(others))).toEqual(new Set(['done']));
      expect(existsSync(at('elsewhere'))).toBe(true);
    });

    it('names a file that it may not read', async () => {
      const { certificates } = mountedCertificates();
      const tls = { cert: certificates.serverCertificate, key: certificates.serverKey };
      mkdirSync(at('configuration'));
      const kask = KaskProcess.spawn(
        { ...OUTAGE, tls },
        { directory: at('configuration'), under: permitting({ read: [at('configuration/')] }) },
      );
      expect(await kask.exited).toBe(MISCONFIGURED);
      expect(kask.stderr).toContain(`${tls.cert}", which cannot be read (ERR_ACCESS_DENIED)`);
    });

    it('reads certificates through the links of Kubernetes', async () => {
      const { mount, certificates } = mountedCertificates();
      const tls = { cert: path.join(mount, 'cert.pem'), key: path.join(mount, 'key.pem') };
      const under = permitting({ ...onEmbedded(), read: [at('configuration/'), `${mount}/`] });
      const kask = await start({ ...embedded(), tls }, { under });
      const ca = readFileSync(certificates.ca);
      const answer = await exchange(
        kask.origin,
        { method: 'PUT', target: kask.path('key'), body: 'value' },
        ca,
      );
      expect(answer.status).toBe(201);
    });

    it('sees that Kubernetes has swapped them', async () => {
      const { mount, swap } = mountedCertificates();
      const watch = new URL(`file://${path.join(REPOSITORY, 'dist/files/file-watch.js')}`);
      const program = `
        import { FileWatch } from '${watch.href}';
        new FileWatch(['${mount}/cert.pem'], () => { console.log('changed'); process.exit(); });
        setInterval(() => undefined, 1_000);
        setTimeout(() => console.log('watching'), 500);
      `;
      writeFileSync(at('watch.mjs'), program);
      const [node = '', ...flags] = permitting({ read: [at('watch.mjs'), `${mount}/`] });
      const child = spawn(node, [...flags, at('watch.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
      const lines = createInterface(child.stdout);
      expect(await once(lines, 'line')).toEqual(['watching']);
      swap();
      expect(await once(lines, 'line')).toEqual(['changed']);
    });

    const probed = ([node = '', ...flags]: string[]): KaskOptions => ({
      under: [node, ...flags, '--require', PROBE],
      env: { KASK_TEST_PROBE_PATH: at('elsewhere') },
    });

    /** A volume of a Secret: each file is a link to one in `..data`, which is a link to the version that holds. */
    function mountedCertificates(): { mount: string; certificates: Certificates; swap: () => void } {
      const certificates = createCertificates({ addresses: ['127.0.0.1'] }, at('certificates'));
      const mount = at('kask-certs');
      const files = { 'cert.pem': certificates.serverCertificate, 'key.pem': certificates.serverKey };
      const publish = (version: string): void => {
        mkdirSync(path.join(mount, version), { recursive: true });
        for (const [name, file] of Object.entries(files)) copyFileSync(file, path.join(mount, version, name));
        symlinkSync(version, path.join(mount, '..data_tmp'));
        renameSync(path.join(mount, '..data_tmp'), path.join(mount, '..data'));
      };
      publish('..2026_1');
      for (const name of Object.keys(files)) symlinkSync(`..data/${name}`, path.join(mount, name));
      return { mount, certificates, swap: () => publish('..2026_2') };
    }
  });

  describe('as a container confines it: another user, no capabilities, read-only file systems', () => {
    it.each([
      ['the embedded store', embedded, 201],
      ['Cassandra', () => OUTAGE, 503],
    ])('serves from %s, and opens nothing for writing but its data', async (_, settings, status) => {
      const writable = status === 201 ? at('data') : undefined;
      const calls = at('system-calls');
      const kask = await start(settings(), {
        under: [...tracing(['%file'], calls), ...asInContainer(writable)],
      });
      const service = Number(readFileSync(`/proc/${kask.pid}/task/${kask.pid}/children`, 'utf8'));
      const state = readFileSync(`/proc/${service}/status`, 'utf8');
      expect(state).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m);
      expect(state).toMatch(/^CapEff:\t0+$/m);
      expect((await put(kask)).status).toBe(status);
      process.kill(service, 'SIGTERM');
      expect(await kask.exited).toBe(0);

      const mains = readSystemCalls(calls).map(({ text }) => text);
      const since = mains.findLastIndex((text) => text.startsWith('execve('));
      const changing = mains.slice(since + 1).filter((text) => CHANGES.test(text));
      const others = changing.filter((text) => !text.includes(at('data')) && !text.includes('"/dev/null"'));
      expect(others).toEqual([]);
      expect(changing.some((text) => text.includes(at('data')))).toBe(writable !== undefined);
    });

    it('could write nowhere else', async () => {
      const [unshare = '', ...prepare] = asInContainer(at('data'));
      const env = {
        KASK_TEST_PROBE_PATH: at('elsewhere'),
        NODE_OPTIONS: `--require /srv/${path.relative(REPOSITORY, PROBE)}`,
      };
      const kask = await start(embedded(), { under: [unshare, ...prepare], env });
      const { 'write elsewhere': elsewhere, 'write over its program': program } = await outcomes(kask);
      expect(elsewhere).toBe('EROFS');
      // The file is not this user's either, which is found first.
      expect(['EACCES', 'EROFS']).toContain(program);
    });
  });
});

async function outcomes(kask: KaskProcess): Promise<Record<string, string>> {
  return (await kask.waitForLog(({ msg }) => msg === 'probe')).outcomes as Record<string, string>;
}

function put(kask: KaskProcess): Promise<Response> {
  return fetch(kask.url('key'), { method: 'PUT', body: 'value' });
}
