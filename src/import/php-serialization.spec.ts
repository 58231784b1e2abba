import { jsonOfPhp } from './php-serialization.js';

const json = (serialized: string): string | undefined => jsonOfPhp(Buffer.from(serialized));

it.each([
  ['N;', 'null'],
  ['b:0;', 'false'],
  ['b:1;', 'true'],
  ['i:-7;', '-7'],
  ['i:9223372036854775807;', '9223372036854775807'],
  ['d:0.5;', '0.5'],
  ['d:1.0E+25;', '1.0E+25'],
  ['s:0:"";', '""'],
  ['s:9:"a";\n\u00e9\u20ac";', '"a\\";\\n\u00e9\u20ac"'],
  ['a:0:{}', '[]'],
  ['a:2:{i:0;s:1:"a";i:1;N;}', '["a",null]'],
  ['a:2:{i:1;s:1:"a";i:0;N;}', '{"1":"a","0":null}'],
  ['a:2:{s:4:"data";a:1:{s:6:"wsUser";s:3:"Ada";}s:1:"n";i:1;}', '{"data":{"wsUser":"Ada"},"n":1}'],
])('%s is %s', (serialized, expected) => {
  expect(json(serialized)).toBe(expected);
});

it.each([
  '',
  'x',
  'i:1',
  'i:1;i:2;',
  'i:1.5;',
  'b:2;',
  'd:NAN;',
  'd:INF;',
  's:5:"abc";',
  's:3:"abcd";',
  'a:1:{i:0;}',
  'a:1:{i:0;i:1;',
  'a:1:{N;i:1;}',
  'O:8:"stdClass":0:{}',
  'a:1:{i:0;R:1;}',
  `${'a:1:{i:0;'.repeat(600)}N;${'}'.repeat(600)}`,
])('%.30s has no JSON', (serialized) => {
  expect(json(serialized)).toBeUndefined();
});

it('has no JSON for a string that is no UTF-8', () => {
  expect(jsonOfPhp(Buffer.from('s:1:"\xff";', 'latin1'))).toBeUndefined();
});
