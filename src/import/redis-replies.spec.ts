import { RedisRefusal, type Reply, ReplyReader } from './redis-replies.js';

const BYTES = Buffer.from('\r\n$3\r\n\0\xff', 'latin1');
const WIRE = Buffer.concat([
  Buffer.from(`+OK\r\n:-2\r\n$-1\r\n*-1\r\n$${BYTES.length}\r\n`),
  BYTES,
  Buffer.from('\r\n*2\r\n$1\r\n0\r\n*3\r\n$0\r\n\r\n:7\r\n-WRONGTYPE no string\r\n*0\r\n'),
]);
const REPLIES: Reply[] = [
  'OK',
  -2,
  null,
  null,
  BYTES,
  [Buffer.from('0'), [Buffer.alloc(0), 7, new RedisRefusal('WRONGTYPE no string')]],
  [],
];

it.each([1, 2, 3, 7, WIRE.length])('puts replies together from %d bytes at a time', (size) => {
  const reader = new ReplyReader();
  const found: Reply[] = [];
  for (let at = 0; at < WIRE.length; at += size) found.push(...reader.read(WIRE.subarray(at, at + size)));
  expect(found).toEqual(REPLIES);
});

it('waits for a large value without looking at it again and again', () => {
  const value = Buffer.alloc(8_388_608, 'v');
  const wire = Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n:1\r\n')]);
  const reader = new ReplyReader();
  const concat = jest.spyOn(Buffer, 'concat');
  const found: Reply[] = [];
  for (let at = 0; at < wire.length; at += 65_536) found.push(...reader.read(wire.subarray(at, at + 65_536)));
  const looks = concat.mock.calls.length;
  concat.mockRestore();
  expect(found).toHaveLength(2);
  expect(value.equals(found[0] as Buffer)).toBe(true);
  expect(looks).toBeLessThan(4);
});

it('refuses what is not the protocol', () => {
  for (const wire of ['HTTP/1.1 400 Bad Request\r\n', ':one\r\n', '%1\r\n'])
    expect(() => new ReplyReader().read(Buffer.from(wire))).toThrow('does not speak the protocol');
});

it('tells of a refusal nothing that quotes a command', () => {
  const { code, message } = new RedisRefusal(
    "ERR unknown command 'GETRANGE', with args beginning with: 'PHPREDIS_SESSION:secret'",
  );
  expect({ code, message }).toEqual({ code: 'ERR', message: "ERR unknown command 'GETRANGE'" });
});
