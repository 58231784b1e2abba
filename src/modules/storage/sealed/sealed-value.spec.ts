import { randomBytes } from 'node:crypto';
import { open, seal, SEAL_BYTES, sealingKey, UnopenableValue } from './sealed-value.js';
import { parseSealingKeys } from './sealing-keys.js';

const secret = (): string => randomBytes(32).toString('base64');
const { keys } = parseSealingKeys(`value new: ${secret()}\nvalue old: ${secret()}\nrow a: ${secret()}`);
const [current, old] = [keys.values[0]!, keys.values[1]!];
const ours = { session: 'enwiki:MWSession:x', row: 'kask:row:x' };
const value = Buffer.from('JSON.abc.{}');

/** What it says on the way to the client, or what it opened. */
function opened(sealed: Buffer, belonging = ours, values = keys.values): string {
  try {
    return open(sealed, sealingKey(sealed, values), belonging).toString();
  } catch (error) {
    return error instanceof UnopenableValue ? error.code : String(error);
  }
}

describe('a sealed value', () => {
  it.each([0, 1, 300, 65_536, 2_129_920])(
    'of %i bytes opens as it was, 38 bytes larger meanwhile',
    (size) => {
      const bytes = randomBytes(size);
      const sealed = seal(bytes, current, ours);
      expect(sealed).toHaveLength(size + SEAL_BYTES);
      expect(SEAL_BYTES).toBe(38);
      expect(open(sealed, sealingKey(sealed, keys.values), ours).equals(bytes)).toBe(true);
    },
  );

  it('is another one each time, and shows nothing of the value', () => {
    const [one, other] = [seal(value, current, ours), seal(value, current, ours)];
    expect(one.subarray(22)).not.toEqual(other.subarray(22));
    expect(one.includes('JSON')).toBe(false);
  });

  it('tells which key it needs', () => {
    const sealed = seal(value, old, ours);
    expect(sealingKey(sealed, keys.values).name).toBe('old');
    expect(opened(sealed)).toBe(value.toString());
    expect(opened(sealed, ours, [current])).toBe('unknown_key');
  });

  it('opens in no other row, and for no other session', () => {
    const sealed = seal(value, current, ours);
    expect(opened(sealed, { ...ours, row: 'kask:row:y' })).toBe('damaged');
    expect(opened(sealed, { ...ours, session: 'enwiki:MWSession:y' })).toBe('damaged');
  });

  it('does not open with any bit of it changed', () => {
    const sealed = seal(value, current, ours);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const damaged = Buffer.from(sealed);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(['damaged', 'unknown_key']).toContain(opened(damaged));
    }
  });

  it('does not open with a part of it missing, nor do other bytes', () => {
    const sealed = seal(value, current, ours);
    for (let size = 0; size < sealed.length; size++) expect(opened(sealed.subarray(0, size))).toBe('damaged');
    expect(opened(Buffer.from(`JSON.${'0'.repeat(64)}.{}`))).toBe('unknown_key');
  });
});
