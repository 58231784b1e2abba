import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

interface Manifest {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

interface LockedPackage {
  version: string;
  integrity?: string;
  resolved?: string;
  license?: string;
  dev?: boolean;
  hasInstallScript?: boolean;
}

/** Licences that ask for no more than to be named, and leave the service under Apache-2.0. */
const LICENCES = [
  'Apache-2.0',
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'Apache-2.0 AND MIT',
  '(MIT OR CC0-1.0)',
];
/** Not in a deployment: what tests hold a page against, and tables of what browsers can do. */
const LICENCES_OF_TOOLS = { 'axe-core': 'MPL-2.0', 'caniuse-lite': 'CC-BY-4.0' };

const root = path.resolve(__dirname, '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const manifest = JSON.parse(read('package.json')) as Manifest;
const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> };
const locked = Object.entries(packages).filter(([place]) => place !== '');
const production = locked.filter(([, { dev }]) => !dev);
const document = read('docs/dependencies.md');

describe('dependencies', () => {
  it('each have a reason in docs/dependencies.md, and none is there that is gone', () => {
    const named = [...document.matchAll(/^\| `([^`]+)` +\|/gm)].map(([, name]) => name);
    expect(named).toEqual(Object.keys(manifest.dependencies).sort());
  });

  it('are pinned', () => {
    const versions = Object.values({ ...manifest.dependencies, ...manifest.devDependencies });
    for (const version of versions) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('are locked by a digest of their content, and come from nowhere but the registry', () => {
    expect(locked.length).toBeGreaterThan(0);
    const otherwise = locked.filter(
      ([, { version, integrity, resolved }]) =>
        !/^\d+\.\d+\.\d+/.test(version) || !/^sha512-[\w+/]{86}==$/.test(integrity ?? '') || resolved,
    );
    expect(otherwise).toEqual([]);
    expect(read('.npmrc')).toMatch(/^omit-lockfile-registry-resolved=true$/m);
  });

  it('run no script when they are installed; those that would are known', () => {
    expect(read('.npmrc')).toMatch(/^ignore-scripts=true$/m);
    const withScript = locked.filter(([, { hasInstallScript }]) => hasInstallScript);
    expect(withScript.map(([place, { dev }]) => `${nameOf(place)}${dev ? ' (dev)' : ''}`)).toEqual([
      '@parcel/watcher (dev)',
      '@swc/core (dev)',
      'lmdb',
      'msgpackr-extract',
      'unrs-resolver (dev)',
    ]);
  });

  it('have licences that a service under Apache-2.0 may use', () => {
    const others = locked.filter(([, { license }]) => !LICENCES.includes(license ?? ''));
    expect(Object.fromEntries(others.map(([place, { license }]) => [nameOf(place), license]))).toEqual(
      LICENCES_OF_TOOLS,
    );
    expect(others.filter(([, { dev }]) => !dev)).toEqual([]);
  });

  it('are as many in a deployment as docs/dependencies.md says', () => {
    const versions = new Set(production.map(([place, { version }]) => `${nameOf(place)}@${version}`));
    expect(document).toContain(`**${versions.size} packages**`);
  });

  it('have the keepers in docs/dependencies.md that their own metadata tells', () => {
    const kept = [...document.matchAll(/^- \*\*(\S+)\*\*: ([^]*?)(?=\n- |\n\n)/gm)];
    const keepers = kept.flatMap(([, keeper = '', names = '']) =>
      [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => [name, keeper] as const),
    );
    expect(keepers.map(([name]) => name).sort()).toEqual(
      [...new Set(production.map(([place]) => nameOf(place)))].sort(),
    );
    const keeperOf = new Map(keepers);
    const installed = production.filter(([place]) => existsSync(path.join(root, place)));
    for (const [place] of installed)
      expect([place, repositoryOwner(place)]).toEqual([place, keeperOf.get(nameOf(place))]);
  });
});

function nameOf(place: string): string {
  return place.split('node_modules/').at(-1) as string;
}

/** `github.com/fastify`, however the package writes the address of its repository. */
function repositoryOwner(place: string): string {
  const { repository } = JSON.parse(read(`${place}/package.json`)) as {
    repository: string | { url: string };
  };
  const url = typeof repository === 'string' ? repository : repository.url;
  const [, host = 'github.com', owner] =
    /^(?:[a-z+]+:\/\/)?(?:git@)?(?:([\w.]+\.com)[/:]|github:)?([^/]+)\//.exec(url) ?? [];
  return `${host.replace(/^www\./, '')}/${owner}`;
}
