import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidSettings, loadSettings } from './load-settings.js';

let directory: string;
const below = (name: string) => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'kask-embedded-'));
  mkdirSync(below('folder'));
  writeFileSync(below('file'), '');
  symlinkSync(below('folder'), below('link'));
  symlinkSync(below('nothing'), below('broken'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function faults(path: string, storage = 'embedded', env: NodeJS.ProcessEnv = {}): string[] {
  writeFileSync(below('config.yaml'), JSON.stringify({ storage, embedded: { path } }));
  try {
    loadSettings(below('config.yaml'), env);
    return [];
  } catch (error) {
    if (error instanceof InvalidSettings) return error.faults;
    throw error;
  }
}

describe('the directory of the embedded store', () => {
  it.each(['folder', 'folder/to/be/made', 'link', 'link/below', '../'])('may be %s', (path) => {
    expect(faults(below(path))).toEqual([]);
  });

  it('may be relative to where the process runs', () => {
    expect(faults('./data')).toEqual([]);
  });

  it.each([
    ['/dev/null', 'is something other than a directory'],
    ['/dev/null/data', 'is below something other than a directory'],
    ['file', 'is something other than a directory'],
    ['file/to/be/made', 'is below something other than a directory'],
    ['broken', 'cannot be written to (ENOENT)'],
    ['broken/data', 'cannot be written to (ENOENT)'],
    ['/proc', 'is a directory on no disk'],
    ['/proc/kask/data', 'is below a directory on no disk'],
    ['/sys/kask', 'is below a directory on no disk'],
    ['a\0b', 'cannot be written to (ERR_INVALID_ARG_VALUE)'],
    [`${'x'.repeat(256)}`, 'cannot be written to (ENAMETOOLONG)'],
  ])('may not be %j', (path, why) => {
    const found = faults(path.startsWith('/') ? path : below(path));
    expect(found).toEqual([expect.stringContaining(`, which ${why}; allowed: path of a directory on a `)]);
  });

  it('is made by nobody who only looks', () => {
    faults(below('made/later'));
    expect(readdirSync(directory)).not.toContain('made');
  });

  it('is told by its variable, without a path that may be a secret', () => {
    const [fault] = faults('data', 'embedded', { KASK_EMBEDDED_PATH: '/dev/null/a@b' });
    expect(fault).toMatch(
      /^KASK_EMBEDDED_PATH: found a text that is not shown .*, which is below something /,
    );
  });

  it('is not looked at when values are kept in Cassandra', () => {
    expect(faults('/dev/null', 'cassandra')).toEqual([]);
  });
});
