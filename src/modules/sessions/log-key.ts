import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { UsageError } from '../../command-line.js';
import type { Settings } from '../../config/settings.js';

/** As much as SHA-256 gives: a longer secret is no stronger, a shorter one can be guessed. */
const LEAST_BYTES = 32;
const ID_DIGITS = 4;
const HASH_DIGITS = 16;

/** Makes of a session key what logs may show: who has the secret can find a session in them, and nobody finds a key. */
export class LogKey {
  private readonly secret: KeyObject;
  /** Tells which secret made a hash, as they change. */
  readonly id: string;

  constructor(secret: Buffer) {
    this.secret = createSecretKey(secret);
    this.id = this.digits('\0id', ID_DIGITS); // which no session key is: none holds a NUL
  }

  hash(sessionKey: string): string {
    return `${this.id}-${this.digits(sessionKey, HASH_DIGITS)}`;
  }

  private digits(text: string, count: number): string {
    return createHmac('sha256', this.secret).update(text).digest('hex').slice(0, count);
  }
}

/** For --hash-key: how the log calls the session whose key this is, as it is before any percent-encoding. */
export function hashKey({ log_key_file }: Settings, input: Buffer): string {
  const { key } = log_key_file ? readLogKey(log_key_file) : {};
  if (!key) throw new UsageError("Option '--hash-key' needs the setting log_key_file");
  return key.hash(input.toString().replace(/\r?\n$/, ''));
}

/** Of the text or bytes of a file, less one newline at the end. No key where there are faults. */
export function readLogKey(file: string): { key?: LogKey; faults: string[] } {
  try {
    const bytes = readFileSync(file);
    const secret = bytes.subarray(0, bytes.at(-1) === 0x0a ? -1 : undefined);
    if (secret.length < LEAST_BYTES) return { faults: [`there are less than ${LEAST_BYTES} bytes`] };
    return { key: new LogKey(secret), faults: [] };
  } catch (error) {
    return {
      faults: [`the file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`],
    };
  }
}
