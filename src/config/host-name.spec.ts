import { isCertificateName, isHost, isHostName } from './host-name.js';

it.each([
  'a',
  'A.b',
  'a-b',
  'cassandra_1',
  '1a.org',
  'xn--bcher-kva.example',
  'a.org.',
  `${'a'.repeat(63)}.org`,
])('%s is a name', (text) => {
  expect([isHostName(text), isHost(text), isCertificateName(text)]).toEqual([true, true, true]);
});

it.each(['127.0.0.1', '::', '2001:db8::1', '::ffff:10.0.0.1', 'fe80::1%eth0'])('%s is an address', (text) => {
  expect([isHostName(text), isHost(text)]).toEqual([false, true]);
});

it.each([
  '',
  '.',
  'a..b',
  '-a',
  'a-',
  'a b',
  'a:1',
  '[::1]',
  '1.2.3',
  '1.2.3.256',
  'ä',
  `${'a'.repeat(64)}.org`,
  `${'a.'.repeat(127)}ab`,
  'a/b',
  'a\n',
])('%j is neither', (text) => {
  expect([isHostName(text), isHost(text), isCertificateName(text)]).toEqual([false, false, false]);
});

it.each([
  ['*.example.org', true],
  ['*.a.example.org', true],
  ['*', false],
  ['*.org', false],
  ['a.*.org', false],
  ['a*.example.org', false],
  ['*.*.example.org', false],
  ['*.0.0.1', false],
])('%s names nodes in a certificate: %s', (text, expected) => {
  expect(isCertificateName(text)).toBe(expected);
});
