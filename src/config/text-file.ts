import { readFileSync } from 'node:fs';

export class Unreadable {
  /** Says nothing of the path: it may be a key that was pasted where its path belongs. */
  constructor(readonly why: string) {}
}

export function readText(file: string): string | Unreadable {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return new Unreadable(
      code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not UTF-8' : `cannot be read (${code})`,
    );
  }
}
