import { readFileSync } from 'node:fs';
import path from 'node:path';
import { MATTER_MOST, SCENARIOS } from './scenarios.js';

const document = readFileSync(path.resolve(__dirname, '../../docs/failure-modes.md'), 'utf8');

/** In the last column of the tables, without the paths: `one-frozen`, with `\*` behind it if `npm test` plays it too. */
function named(): { name: string; inTests: boolean }[] {
  const cells = document.split('\n').map((line) => line.split('|').at(-2) ?? '');
  return cells.flatMap((cell) =>
    [...cell.matchAll(/`([\w-]+)`(\\\*)?/g)].map(([, name = '', star]) => ({
      name,
      inTests: star !== undefined,
    })),
  );
}

describe('docs/failure-modes.md', () => {
  const names = SCENARIOS.map(({ name }) => name);

  it('names scenarios that there are', () => {
    expect(named().map(({ name }) => name)).toEqual(expect.arrayContaining(MATTER_MOST));
    expect(named().filter(({ name }) => !names.includes(name))).toEqual([]);
  });

  it('says which of them `npm test` plays', () => {
    const wrong = named().filter(({ name, inTests }) => inTests !== MATTER_MOST.includes(name));
    expect(wrong).toEqual([]);
  });

  it('leaves out none', () => {
    const told = new Set(named().map(({ name }) => name));
    expect(names.filter((name) => !told.has(name))).toEqual([]);
  });
});
