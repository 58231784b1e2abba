import { compareTokens, type Token, tokenOf } from './murmur3.js';

function toText({ high, low }: Token): string {
  return String((BigInt(high) << 32n) + BigInt(low));
}

describe('the token of a key', () => {
  it.each([
    ['a', '-8839064797231613815'],
    ['enwiki:MWSession:g1mvh4akca3ajnqr21fb70suul3peqlj', '7089145518491420372'],
    ['global:session:centralauth:0123456789abcdef0123456789abcdef', '-6283612519949785181'],
    ['ä', '-9125847998514662820'],
    ['日本語', '2587241856907040145'],
    ['0123456', '1435416519508424614'],
    ['01234567', '-9064053233843489459'],
    ['012345678', '5484970180828674234'],
    ['0123456789abcde', '-6472281833689111727'],
    ['0123456789abcdef', '5467490433528156583'],
    ['0123456789abcdefg', '-8200385122730116642'],
    ['Ünïcödé-ßß-кириллица', '7044492673457636534'],
    ['🔑🔑🔑🔑🔑🔑🔑', '2869475351710881150'],
  ])('%j is what Cassandra 5.0 answers to SELECT token(key): %s', (key, token) => {
    expect(toText(tokenOf(Buffer.from(key)))).toBe(token);
  });

  it('of no bytes is zero', () => {
    expect(tokenOf(Buffer.alloc(0))).toEqual({ high: 0, low: 0 });
  });
});

describe('tokens', () => {
  it('are in the order of signed numbers of 64 bits', () => {
    const ascending: Token[] = [
      { high: -0x80000000, low: 0 },
      { high: -1, low: 0 },
      { high: -1, low: 0xffffffff },
      { high: 0, low: 0 },
      { high: 0, low: 0x80000000 },
      { high: 0x7fffffff, low: 0xffffffff },
    ];
    expect([...ascending].reverse().sort(compareTokens)).toEqual(ascending);
  });
});
