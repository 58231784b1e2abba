import {
  encodeRecord,
  entryKey,
  entryOf,
  expiryOf,
  isExpired,
  NEVER,
  sessionOfEntry,
  valueOf,
} from './record.js';

const NOW = Date.UTC(2026, 0, 1);

describe('a record', () => {
  it.each([0, 1, 5_000])('keeps a value of %i bytes and its expiry', (size) => {
    const value = Buffer.alloc(size, 'value');
    const record = encodeRecord(value, NOW);
    expect(valueOf(record).equals(value)).toBe(true);
    expect(expiryOf(record)).toBe(NOW);
  });

  it('tells the time of its entry', () => {
    const value = Buffer.from('value');
    expect(entryOf(encodeRecord(value, NOW))).toBe(NOW);
    const putOff = encodeRecord(value, NOW + 1, NOW);
    expect([expiryOf(putOff), entryOf(putOff), String(valueOf(putOff))]).toEqual([NOW + 1, NOW, 'value']);
    expect(entryOf(encodeRecord(value, NEVER))).toBe(NEVER);
  });

  it.each([NOW, NEVER])('of format 1 is read as well: %i', (expiresAt) => {
    const record = Buffer.concat([Buffer.alloc(8), Buffer.from('value')]);
    record.writeBigUInt64BE(BigInt(expiresAt));
    expect([expiryOf(record), entryOf(record), String(valueOf(record))]).toEqual([
      expiresAt,
      expiresAt,
      'value',
    ]);
  });

  it('does not change with the buffer that it was made of', () => {
    const value = Buffer.from('value');
    const record = encodeRecord(value, NOW);
    value.fill(0);
    expect(String(valueOf(record))).toBe('value');
  });

  it.each([
    [NOW - 1, false],
    [NOW, true],
    [NOW + 1, true],
  ])('at %i is expired: %s', (now, expired) => {
    expect(isExpired(encodeRecord(Buffer.from('value'), NOW), now)).toBe(expired);
  });

  it('without an expiry never expires', () => {
    expect(isExpired(encodeRecord(Buffer.from('value'), NEVER), Number.MAX_SAFE_INTEGER)).toBe(false);
  });

  it('takes the expiry of the longest TTL', () => {
    const expiresAt = NOW + 630_720_000_000;
    expect(expiryOf(encodeRecord(Buffer.alloc(0), expiresAt))).toBe(expiresAt);
  });
});

describe('a key of the expiry index', () => {
  it('tells its session', () => {
    expect(String(sessionOfEntry(entryKey(NOW, Buffer.from('session'))))).toBe('session');
  });

  it('sorts by time, then by session, after the bare time', () => {
    const sorted = [
      entryKey(255, Buffer.from('z')),
      entryKey(256),
      entryKey(256, Buffer.from('a')),
      entryKey(256, Buffer.from('b')),
      entryKey(NOW, Buffer.from('a')),
    ];
    expect([...sorted].reverse().sort((a, b) => a.compare(b))).toEqual(sorted);
  });
});
