import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KaskProcess } from '../harness/kask.js';
import { REPOSITORY } from '../harness/repository.js';

interface LockedPackage {
  version: string;
  integrity: string;
  dev?: boolean;
}

interface BillOfMaterials {
  bomFormat: string;
  metadata: { component: { name: string; version: string } };
  components: { purl: string; hashes: { alg: string; content: string }[]; licenses: unknown[] }[];
}

const lock = JSON.parse(readFileSync(path.join(REPOSITORY, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, LockedPackage>;
};
const NPMRC = readFileSync(path.join(REPOSITORY, '.npmrc'), 'utf8');
/** Where the packages of a deployment lie, and what is locked of each. */
const production = Object.entries(lock.packages).filter(([place, { dev }]) => place !== '' && !dev);
const yaml = lock.packages['node_modules/yaml'] as LockedPackage;

// npm waits for a network that swallows its questions.
jest.setTimeout(180_000);

describe('the supply chain', () => {
  let directory: string;
  const at = (...names: string[]): string => path.join(directory, ...names);
  beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'kask-supply-'))));
  afterEach(() => rmSync(directory, { recursive: true }));

  describe('an installation', () => {
    it('runs no script of a package, nor of our own', async () => {
      const scripts = { install: `touch ${at('ran')}`, postinstall: `touch ${at('ran')}` };
      const dependencies = { 'with-script': 'file:package' };
      mkdirSync(at('package'));
      writeFileSync(
        at('package/package.json'),
        JSON.stringify({ name: 'with-script', version: '1.0.0', scripts }),
      );
      writeFileSync(at('package.json'), JSON.stringify({ scripts, dependencies }));
      const scriptRan = async (): Promise<boolean> => {
        const args = ['install', '--offline', '--install-links', '--userconfig', '/dev/null'];
        await run('npm', args, { cwd: directory, env: withoutNpm(process.env) });
        expect(existsSync(at('node_modules/with-script/package.json'))).toBe(true);
        return existsSync(at('ran'));
      };
      writeFileSync(at('.npmrc'), NPMRC);
      expect(await scriptRan()).toBe(false);

      // npm would run them otherwise.
      rmSync(at('node_modules'), { recursive: true });
      writeFileSync(at('.npmrc'), NPMRC.replace(/^ignore-scripts=true$/m, ''));
      expect(await scriptRan()).toBe(true);
    });

    it('serves with the packages of a deployment alone, and no native code but what came built', async () => {
      for (const [place] of production) {
        const installed = path.join(REPOSITORY, place);
        if (existsSync(installed)) cpSync(installed, at(place), { recursive: true });
      }
      for (const name of ['dist', 'openapi', 'package.json'])
        cpSync(path.join(REPOSITORY, name), at(name), { recursive: true });
      const settings = { storage: 'embedded', embedded: { path: at('data') } };
      const kask = await KaskProcess.start(settings, { under: elsewhere(at('dist/main.js')) });
      expect((await fetch(kask.url('key'), { method: 'PUT', body: 'value' })).status).toBe(201);
      expect(await (await fetch(kask.url('key'))).text()).toBe('value');

      const maps = readFileSync(`/proc/${kask.pid}/maps`, 'utf8');
      const addons = new Set(maps.match(/(?<=\/node_modules\/)\S+(?=\/[\w.-]+\.node$)/gm));
      expect([...addons].sort()).toEqual([
        expect.stringMatching(/^@lmdb\/lmdb-[\w-]+$/),
        expect.stringMatching(/^@msgpackr-extract\/msgpackr-extract-[\w-]+$/),
      ]);
      expect(await kask.stop()).toBe(0);

      const onCassandra = { cassandra: { hosts: ['sessionstore.invalid'] } };
      const other = await KaskProcess.start(onCassandra, { under: elsewhere(at('dist/main.js')) });
      expect((await fetch(other.url('key'))).status).toBe(503);
      expect(readFileSync(`/proc/${other.pid}/maps`, 'utf8')).not.toMatch(/\.node$/m);
      expect(await other.stop()).toBe(0);
    });
  });

  describe('the checks of a release', () => {
    let registry: Server | undefined;
    afterEach(() => registry?.close());

    it('say that nothing was checked when the registry gives no answer, and never that it passed', async () => {
      const { code, lines } = await releaseChecks('http://127.0.0.1:9/');
      expect(code).toBe(1);
      expect(lines['vulnerabilities']).toMatch(/^not checked: .*ECONNREFUSED/);
      expect(lines['signatures']).toMatch(/^not checked: ./);
    });

    it.each([
      ['404', 404, ''],
      ['a page of HTML', 200, '<html>log in first</html>'],
      ['no JSON', 200, ''],
    ])('nor when its answer is %s', async (_, status, body) => {
      const { code, lines } = await releaseChecks(await registryThatSays(status, body));
      expect(code).toBe(1);
      expect(lines['vulnerabilities']).toMatch(/^not checked: ./);
      expect(lines['signatures']).toMatch(/^not checked: ./);
    });

    it('fail for a package that is known to be vulnerable', async () => {
      const advisory = {
        id: 1,
        title: 'bad',
        severity: 'low',
        vulnerable_versions: '*',
        url: 'https://example.org/1',
      };
      const origin = await registryThatSays(200, JSON.stringify({ yaml: [advisory] }), {
        '/yaml': { name: 'yaml', versions: { [yaml.version]: { name: 'yaml', version: yaml.version } } },
      });
      const { code, lines } = await releaseChecks(origin);
      expect(code).toBe(1);
      expect(lines['vulnerabilities']).toMatch(/^failed: .*\byaml\b/);
    });

    it('pass for vulnerabilities when none is known', async () => {
      const { lines } = await releaseChecks(await registryThatSays(200, '{}'));
      const all = Object.keys(lock.packages).length - 1;
      expect(lines['vulnerabilities']).toBe(`passed: none is known of ${all} packages`);
    });

    it('write a bill of materials that has every package of a deployment, with its digest and licence', async () => {
      const { lines } = await releaseChecks('http://127.0.0.1:9/');
      expect(lines['bill of materials']).toMatch(/^passed: \d+ packages in /);
      const { bomFormat, metadata, components } = JSON.parse(
        readFileSync(at('sbom.json'), 'utf8'),
      ) as BillOfMaterials;
      expect(bomFormat).toBe('CycloneDX');
      expect(metadata.component).toMatchObject({ name: 'kask' });
      const listed = components.map(({ purl, hashes }) => [purl, hashes[0]?.alg, hashes[0]?.content]);
      const wanted = production.map(([place, { version, integrity }]) => [
        `pkg:npm/${place.split('node_modules/').at(-1)?.replace('@', '%40')}@${version}`,
        'SHA-512',
        Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex'),
      ]);
      expect(new Set(listed.map(String))).toEqual(new Set(wanted.map(String)));
      expect(components.filter(({ licenses }) => licenses.length === 0)).toEqual([]);
    });

    async function releaseChecks(origin: string): Promise<{ code: number; lines: Record<string, string> }> {
      const script = path.join(REPOSITORY, 'scripts/release-checks.js');
      const { code, stdout } = await run(process.execPath, [script, at('sbom.json')], {
        env: { ...process.env, npm_config_registry: origin, npm_config_cache: at('cache') },
      });
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/: (.*)/, 2) as [string, string]);
      return { code, lines: Object.fromEntries(lines) };
    }

    /** To all questions, but those for the metadata of some packages. */
    async function registryThatSays(
      status: number,
      body: string,
      metadata: Record<string, unknown> = {},
    ): Promise<string> {
      registry = createServer((request, response) => {
        request.resume();
        const known = metadata[request.url ?? ''];
        response.writeHead(known ? 200 : status).end(known ? JSON.stringify(known) : body);
      }).listen(0, '127.0.0.1');
      await new Promise((resolve) => registry?.once('listening', resolve));
      return `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`;
    }
  });
});

/** A command that runs another copy of the service in place of this one. */
function elsewhere(main: string): string[] {
  return ['sh', '-c', 'main=$0; shift; exec "$main" "$@"', main];
}

/** What npm tells the scripts that it runs would tell another npm how to run. */
function withoutNpm(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^npm_config_/i.test(name)));
}

function run(
  command: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv },
): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    const child = execFile(command, args, options, (_error, stdout) =>
      resolve({ code: child.exitCode ?? 1, stdout }),
    );
  });
}
