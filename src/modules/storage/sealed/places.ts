import { createHmac } from 'node:crypto';
import { open, seal, sealingKey } from './sealed-value.js';
import type { RowSecret, SealingKeys } from './sealing-keys.js';

/** Where a session may lie, and what its value looks like there. */
export interface Place {
  /** For metrics. */
  readonly name: string;
  /** Key of the row. */
  readonly row: string;
  seal(value: Buffer): Buffer;
  /** The value, and the name of the key that opened it; throws UnopenableValue. */
  open(stored: Buffer): { value: Buffer; keyName: string };
}

/** No row before had such a name, and no client can name a row of ours: keys that begin so have none but sealed ones. */
const ROW_PREFIX = 'kask:row:';

export const UNENCRYPTED = 'unencrypted';
export const NO_KEY = 'none';

/** The row is named by an HMAC of the session key, and the value is sealed. */
export class SealedPlace implements Place {
  readonly name: string;
  readonly row: string;

  constructor(
    readonly session: string,
    { name, secret }: RowSecret,
    private readonly keys: SealingKeys,
  ) {
    this.name = name;
    this.row = ROW_PREFIX + createHmac('sha256', secret).update(session).digest('base64url');
  }

  seal(value: Buffer): Buffer {
    return seal(value, this.keys.values[0]!, this);
  }

  open(stored: Buffer): { value: Buffer; keyName: string } {
    const key = sealingKey(stored, this.keys.values);
    return { value: open(stored, key, this), keyName: key.name };
  }
}

/** As before there was encryption: the row is named by the session key, the value is the client's. */
export class PlainPlace implements Place {
  readonly name = UNENCRYPTED;

  constructor(readonly row: string) {}

  static mayHold(session: string): boolean {
    return !session.startsWith(ROW_PREFIX);
  }

  seal(value: Buffer): Buffer {
    return value;
  }

  open(stored: Buffer): { value: Buffer; keyName: string } {
    return { value: stored, keyName: NO_KEY };
  }
}
