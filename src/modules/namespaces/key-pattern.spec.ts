import { KeyPattern } from './key-pattern.js';

const SESSION = 'enwiki:MWSession:g1mvh4akca3ajnqr21fb70suul3peqlj';

describe('a pattern', () => {
  it.each([
    ['*:MWSession:*', SESSION, true],
    ['*:MWSession:*', ':MWSession:', true],
    ['*:MWSession:*', 'enwiki:mwsession:x', false],
    ['*:MWSession:*', 'enwiki:MWSession', false],
    ['enwiki:*', SESSION, true],
    ['enwiki:*', 'frwiki:MWSession:x', false],
    ['*:lock', `${SESSION}:lock`, true],
    ['*:lock', `${SESSION}:lock:not`, false],
    ['enwiki:MWSession:x', 'enwiki:MWSession:x', true],
    ['enwiki:MWSession:x', 'enwiki:MWSession:xy', false],
    ['*', SESSION, true],
    ['**', '', true],
    ['ab*ba', 'aba', false],
    ['ab*ba', 'abba', true],
    ['a*b*b', 'ab', false],
    ['a*b*b', 'abxb', true],
    ['*a*a*', 'xa', false],
    ['.*:[a-z]+', 'x:y', false],
  ])('%s and %s: %s', (pattern, key, expected) => {
    expect(new KeyPattern(pattern).matches(key)).toBe(expected);
  });

  it('agrees with a regular expression, whatever the key', () => {
    const texts = Array.from({ length: 3 ** 5 }, (_, n) => n.toString(3).padStart(5, '0'));
    const keys = texts.map((text) => text.replaceAll('2', ''));
    const patterns = texts.map((text) => text.replaceAll('2', '*'));
    for (const pattern of patterns) {
      const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
      const { matches } = { matches: (key: string) => new KeyPattern(pattern).matches(key) };
      expect(keys.filter(matches)).toEqual(keys.filter((key) => expected.test(key)));
    }
  });
});
