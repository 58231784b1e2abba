import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CONNECTION_FIXES, connectionFix } from '../modules/storage/cassandra/connection-fix.js';
import { CHECKS } from './checks.js';

/** Told before the others, which need settings. */
const FIRST = ['Node.js', 'configuration'];

const document = readFileSync(path.resolve(__dirname, '../../docs/doctor.md'), 'utf8').replaceAll(/ +/g, ' ');
const firstColumn = (heading: string): string[] => {
  const section = document.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return [...section.matchAll(/^\| (.+?) \|/gm)].map(([, cell]) => cell as string).slice(2);
};

describe('docs/doctor.md', () => {
  it('has each check, in its order', () => {
    expect(firstColumn('What it looks at')).toEqual([...FIRST, ...CHECKS.map(({ name }) => name)]);
  });

  it('has what nodes say, and what to do about it', () => {
    expect(firstColumn('What nodes say')).toHaveLength(CONNECTION_FIXES.length);
    for (const { example, isTls, fix } of CONNECTION_FIXES) {
      expect(document).toMatch(`| ${example} | ${fix} |`);
      expect(connectionFix(example, isTls ?? true)).toBe(fix);
    }
  });
});
