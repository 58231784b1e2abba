import { mediawikiValue } from './mediawiki-value.js';

const SESSION = 'a:1:{s:4:"data";a:1:{s:6:"wsUser";s:3:"Ada";}}';
const value = (...[stored, ...rest]: [string, 'PHP' | 'JSON', string]): string | undefined =>
  mediawikiValue(Buffer.from(stored), ...rest)?.toString();

it('is the type, the HMAC and the value', () => {
  expect(value(SESSION, 'PHP', '')).toBe(`PHP..${SESSION}`);
  expect(value(SESSION, 'JSON', '')).toBe('JSON..{"data":{"wsUser":"Ada"}}');
});

it('has the HMAC that PHP computes', () => {
  // php -r 'echo base64_encode(hash_hmac("sha256", "true", "secret", true));'
  expect(value('b:1;', 'JSON', 'secret')).toBe('JSON.8eOA9vOQc408QGYrEMfaHOH4ZZS4PLnjd05kRxUzXgU=.true');
});

it('takes digits for the whole numbers that they are', () => {
  expect(value('1700000000', 'PHP', '')).toBe('PHP..i:1700000000;');
  expect(value('-3', 'JSON', '')).toBe('JSON..-3');
});

it('is none of what MediaWiki does not store', () => {
  for (const stored of ['user|s:3:"Ada";', '007', '\x1f\x8b', ''])
    for (const type of ['PHP', 'JSON'] as const) expect(value(stored, type, '')).toBeUndefined();
  expect(value('O:8:"stdClass":0:{}', 'JSON', '')).toBeUndefined();
  expect(value('O:8:"stdClass":0:{}', 'PHP', '')).toBe('PHP..O:8:"stdClass":0:{}');
});
