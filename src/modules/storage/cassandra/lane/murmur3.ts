/**
 * The token of a partition key, as Cassandra's Murmur3Partitioner has it: the first half of MurmurHash3 x64_128 (Austin
 * Appleby, public domain) with a seed of 0. Cassandra takes the last bytes of a key, those that fill no block, for signed
 * numbers. Numbers of 64 bits are pairs of 32 here, as BigInt is thirty times slower.
 */
export interface Token {
  /** Signed. */
  high: number;
  /** Unsigned. */
  low: number;
}

const BLOCK_BYTES = 16;

// The two states, and what an operation on 64 bits has made: kept here so that none of them is allocated.
let h1High = 0;
let h1Low = 0;
let h2High = 0;
let h2Low = 0;
let high = 0;
let low = 0;

export function tokenOf(key: Buffer): Token {
  h1High = h1Low = h2High = h2Low = 0;
  const blocksEnd = key.length - (key.length % BLOCK_BYTES);
  for (let at = 0; at < blocksEnd; at += BLOCK_BYTES) mixBlock(key, at);
  mixTail(key, blocksEnd);
  finish(key.length);
  // The smallest token belongs to no key: Cassandra takes the largest for it.
  if (h1High === -0x80000000 && h1Low === 0) return { high: 0x7fffffff, low: 0xffffffff };
  return { high: h1High, low: h1Low };
}

export function compareTokens(a: Token, b: Token): number {
  return a.high - b.high || a.low - b.low;
}

function mixBlock(key: Buffer, at: number): void {
  scrambleFirst(key.readInt32LE(at + 4), key.readInt32LE(at));
  h1High ^= high;
  h1Low ^= low;
  rotate(h1High, h1Low, 27);
  add(high, low, h2High, h2Low);
  timesFiveAnd(0x52dce729);
  h1High = high;
  h1Low = low;
  scrambleSecond(key.readInt32LE(at + 12), key.readInt32LE(at + 8));
  h2High ^= high;
  h2Low ^= low;
  rotate(h2High, h2Low, 31);
  add(high, low, h1High, h1Low);
  timesFiveAnd(0x38495ab5);
  h2High = high;
  h2Low = low;
}

function mixTail(key: Buffer, start: number): void {
  const bytes = key.length - start;
  if (bytes > 8) {
    signedTail(key, start + 8, key.length);
    scrambleSecond(high, low);
    h2High ^= high;
    h2Low ^= low;
  }
  if (bytes > 0) {
    signedTail(key, start, Math.min(start + 8, key.length));
    scrambleFirst(high, low);
    h1High ^= high;
    h1Low ^= low;
  }
}

/** Each byte with its sign, so that a negative one fills all that is above it. */
function signedTail(key: Buffer, start: number, end: number): void {
  let tailHigh = 0;
  let tailLow = 0;
  for (let at = start; at < end; at++) {
    const byte = key.readInt8(at);
    const shift = (at - start) * 8;
    if (shift < 32) {
      tailLow ^= byte << shift;
      tailHigh ^= shift === 0 ? byte >> 31 : byte >> (32 - shift);
    } else tailHigh ^= byte << (shift - 32);
  }
  high = tailHigh;
  low = tailLow;
}

function finish(length: number): void {
  h1Low ^= length;
  h2Low ^= length;
  add(h1High, h1Low, h2High, h2Low);
  h1High = high;
  h1Low = low;
  add(h2High, h2Low, h1High, h1Low);
  h2High = high;
  h2Low = low;
  avalanche(h1High, h1Low);
  h1High = high;
  h1Low = low;
  avalanche(h2High, h2Low);
  add(h1High, h1Low, high, low);
  h1High = high | 0;
  h1Low = low >>> 0;
}

function avalanche(aHigh: number, aLow: number): void {
  multiply(aHigh, aLow ^ (aHigh >>> 1), 0xff51afd7, 0xed558ccd);
  multiply(high, low ^ (high >>> 1), 0xc4ceb9fe, 0x1a85ec53);
  low ^= high >>> 1;
}

function scrambleFirst(aHigh: number, aLow: number): void {
  multiply(aHigh, aLow, 0x87c37b91, 0x114253d5);
  rotate(high, low, 31);
  multiply(high, low, 0x4cf5ad43, 0x2745937f);
}

function scrambleSecond(aHigh: number, aLow: number): void {
  multiply(aHigh, aLow, 0x4cf5ad43, 0x2745937f);
  rotate(high, low, 33);
  multiply(high, low, 0x87c37b91, 0x114253d5);
}

function timesFiveAnd(addend: number): void {
  multiply(high, low, 0, 5);
  add(high, low, 0, addend);
}

function rotate(aHigh: number, aLow: number, bits: number): void {
  // By 32, the halves change places.
  const [upper, lower] = bits < 32 ? [aHigh, aLow] : [aLow, aHigh];
  const shift = bits % 32;
  high = (upper << shift) | (lower >>> (32 - shift));
  low = (lower << shift) | (upper >>> (32 - shift));
}

function add(aHigh: number, aLow: number, bHigh: number, bLow: number): void {
  const sum = (aLow >>> 0) + (bLow >>> 0);
  high = (aHigh + bHigh + (sum > 0xffffffff ? 1 : 0)) | 0;
  low = sum | 0;
}

/** Of 32 by 32 bits, halves of 16 give the upper half; what overflows 64 bits is dropped. */
function multiply(aHigh: number, aLow: number, bHigh: number, bLow: number): void {
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const carry = Math.floor(middle / 0x10000) + ((((middle & 0xffff) + a0 * b1) / 0x10000) | 0);
  high = (a1 * b1 + carry + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) | 0;
  low = Math.imul(aLow, bLow);
}
