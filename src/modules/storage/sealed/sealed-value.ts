import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';
import { expand, HEAD_BYTES, type ValueKey } from './sealing-keys.js';

/**
 * A sealed value: two bytes that tell the format, eight that name the key, the nonce, the ciphertext, its tag.
 * AES-256-GCM (NIST SP 800-38D) with a key of its own for each session, so random nonces of 96 bits are far from ever
 * meeting. The header and the name of the row are authenticated too: copied to another row, a value does not open.
 */
const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VALUE_AT = HEAD_BYTES + NONCE_BYTES;
/** By how much a value grows. */
export const SEAL_BYTES = VALUE_AT + TAG_BYTES;

/** Which session and row a value belongs to. */
export interface Belonging {
  readonly session: string;
  readonly row: string;
}

/** A fault of ours, or of who has changed the storage: nothing that a client could mend, and no absent session. */
export class UnopenableValue extends Error {
  override readonly name = 'UnopenableValue';

  constructor(readonly code: 'unknown_key' | 'damaged') {
    super('a sealed value cannot be opened');
  }
}

export function seal(value: Buffer, key: ValueKey, belonging: Belonging): Buffer {
  const sealed = Buffer.allocUnsafe(SEAL_BYTES + value.length);
  key.head.copy(sealed);
  randomFillSync(sealed, HEAD_BYTES, NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, keyOf(key, belonging), nonceOf(sealed));
  cipher.setAAD(authenticated(key, belonging));
  cipher.update(value).copy(sealed, VALUE_AT);
  cipher.final();
  cipher.getAuthTag().copy(sealed, VALUE_AT + value.length);
  return sealed;
}

/** Of the keys, the one that sealed a value; throws UnopenableValue. */
export function sealingKey(sealed: Buffer, keys: readonly ValueKey[]): ValueKey {
  if (sealed.length < SEAL_BYTES) throw new UnopenableValue('damaged');
  const key = keys.find(({ head }) => head.compare(sealed, 0, HEAD_BYTES) === 0);
  if (!key) throw new UnopenableValue('unknown_key');
  return key;
}

/** Throws UnopenableValue. */
export function open(sealed: Buffer, key: ValueKey, belonging: Belonging): Buffer {
  const decipher = createDecipheriv(ALGORITHM, keyOf(key, belonging), nonceOf(sealed), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(authenticated(key, belonging));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  const value = decipher.update(sealed.subarray(VALUE_AT, -TAG_BYTES));
  try {
    decipher.final();
  } catch {
    throw new UnopenableValue('damaged');
  }
  return value;
}

function keyOf({ pseudorandom }: ValueKey, { session }: Belonging): Buffer {
  return expand(pseudorandom, 'value', session);
}

function nonceOf(sealed: Buffer): Buffer {
  return sealed.subarray(HEAD_BYTES, VALUE_AT);
}

function authenticated({ head }: ValueKey, { row }: Belonging): Buffer {
  return Buffer.concat([head, Buffer.from(row)]);
}
