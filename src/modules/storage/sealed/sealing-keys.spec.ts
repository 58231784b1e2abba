import { hkdfSync } from 'node:crypto';
import { inspect } from 'node:util';
import { expand, parseSealingKeys } from './sealing-keys.js';

const secret = (fill: number): string => Buffer.alloc(32, fill).toString('base64');

const FILE = `# made with openssl rand -base64 32
value 2027-01: ${secret(1)}

value 2026-07: ${secret(2)}
row first: ${secret(3)}
`;

const faultsOf = (text: string): string[] => parseSealingKeys(text).faults;

describe('a file of keys', () => {
  it('has the key that seals first, and the rows of before last', () => {
    const { keys, faults } = parseSealingKeys(`${FILE}row before: ${secret(4)}`);
    expect(faults).toEqual([]);
    expect(keys.values.map(({ name }) => name)).toEqual(['2027-01', '2026-07']);
    expect(keys.rows.map(({ name }) => name)).toEqual(['first', 'before']);
    expect(keys.written).toBe(0);
  });

  it('may have a row that is looked for first, and not yet written', () => {
    const { keys } = parseSealingKeys(`${FILE}next-row second: ${secret(4)}`);
    expect(keys.rows.map(({ name }) => name)).toEqual(['second', 'first']);
    expect(keys.written).toBe(1);
  });

  it('may end its lines as Windows does', () => {
    expect(faultsOf(FILE.replaceAll('\n', '\r\n'))).toEqual([]);
  });

  it.each([
    ['nothing', '', ['there is no `value` line', 'there is no `row` line']],
    ['no row', `value a: ${secret(1)}`, ['there is no `row` line']],
    [
      'a secret of 31 bytes',
      `value a: ${Buffer.alloc(31).toString('base64')}`,
      [/^line 1: the secret is not/],
    ],
    ['a secret in hexadecimal', `${FILE}value a: ${'5e'.repeat(32)}`, [/^line 6: the secret is not/]],
    ['a secret without a name', secret(1), [/^line 1 is none of/]],
    ['a kind that there is not', `${FILE}old-row a: ${secret(9)}`, [/^line 6 is none of/]],
    ['two names of one secret', `${FILE}value a: ${secret(1)}`, ['line 6: the same secret as in line 2']],
    ['a secret for two purposes', `${FILE}row a: ${secret(1)}`, ['line 6: the same secret as in line 2']],
    ['a name of two secrets', `${FILE}value 2027-01: ${secret(9)}`, ['line 6: the same name as in line 2']],
    ['a name of two rows', `${FILE}next-row first: ${secret(9)}`, ['line 6: the same name as in line 5']],
    [
      'two rows that come next',
      `${FILE}next-row a: ${secret(8)}\nnext-row b: ${secret(9)}`,
      ['there is more than one `next-row` line'],
    ],
  ])('is refused with %s', (_, text, expected) => {
    const faults = faultsOf(text);
    expect(faults).toHaveLength(expected.length);
    for (const [at, fault] of expected.entries()) expect(faults[at]).toMatch(fault);
  });

  it('names every fault, and shows nothing of what it holds', () => {
    const text = `value a: ${secret(1).slice(1)}\nrow ${secret(2)}\n${secret(3)}\n`;
    expect(faultsOf(text)).toHaveLength(3);
    for (const fill of [1, 2, 3]) expect(faultsOf(text).join()).not.toContain(secret(fill).slice(2, 12));
  });

  it('shows no secret when its keys are printed', () => {
    const { keys } = parseSealingKeys(FILE);
    const shown = inspect(keys, { depth: Infinity, showHidden: true }) + JSON.stringify(keys);
    for (const fill of [1, 2, 3]) expect(shown).not.toContain(Buffer.alloc(4, fill).toString('hex'));
  });
});

describe('the key of a session', () => {
  it('is that of HKDF with SHA-256, as others have it', () => {
    const { pseudorandom } = parseSealingKeys(FILE).keys.values[0]!;
    const expected = hkdfSync('sha256', Buffer.alloc(32, 1), 'kask sealed value 1', 'value\0enwiki:x', 32);
    expect(expand(pseudorandom, 'value', 'enwiki:x')).toEqual(Buffer.from(expected));
  });
});
