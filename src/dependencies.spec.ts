import { readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(__dirname, '..');
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Record<
  'dependencies' | 'devDependencies',
  Record<string, string>
>;

describe('dependencies', () => {
  it('each have a reason in docs/dependencies.md, and none is there that is gone', () => {
    const document = readFileSync(path.join(root, 'docs/dependencies.md'), 'utf8');
    const named = [...document.matchAll(/^\| `([^`]+)` +\|/gm)].map(([, name]) => name);
    expect(named).toEqual(Object.keys(manifest.dependencies).sort());
  });

  it('are pinned', () => {
    const versions = Object.values({ ...manifest.dependencies, ...manifest.devDependencies });
    for (const version of versions) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});
