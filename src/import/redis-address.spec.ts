import { describeRedis, hasPassword, parseRedisAddress } from './redis-address.js';

it.each([
  ['redis://localhost', { host: 'localhost', port: 6379, isTls: false, database: 0 }],
  ['redis://cache1:6380/2', { host: 'cache1', port: 6380, isTls: false, database: 2 }],
  ['rediss://reader@cache1/', { host: 'cache1', port: 6379, isTls: true, username: 'reader', database: 0 }],
  ['redis://[::1]:7000', { host: '::1', port: 7000, isTls: false, database: 0 }],
  [
    'unix:/run/redis.sock',
    { path: '/run/redis.sock', host: 'localhost', port: 0, isTls: false, database: 0 },
  ],
])('%s is a Redis', (text, expected) => {
  expect(parseRedisAddress(text)).toEqual(expected);
});

it.each([
  '',
  'cache1',
  'http://cache1',
  'redis:///1',
  'redis://cache1/x',
  'redis://cache1?db=1',
  'unix:socket',
])('%j is none', (text) => {
  expect(parseRedisAddress(text)).toBeUndefined();
});

it('knows a password where there is one', () => {
  expect(hasPassword('redis://:secret@cache1')).toBe(true);
  expect(hasPassword('redis://user@cache1')).toBe(false);
  expect(hasPassword('cache1')).toBe(false);
});

it('is told without who speaks', () => {
  const [address, socket] = ['rediss://reader@[::1]', 'unix:/run/redis.sock'].map((url) =>
    parseRedisAddress(url)!,
  );
  expect(describeRedis(address!)).toBe('[::1]:6379');
  expect(describeRedis(socket!)).toBe('/run/redis.sock');
});
