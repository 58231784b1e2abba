import { hash } from 'node:crypto';

/** Of each 6 bits: more than two values will ever have in common by chance. */
const CHARACTERS = 22;

/** The strong validator of a value (RFC 9110 section 8.8.1): the beginning of its SHA-256, in base64url. */
export function entityTagOf(value: Buffer): string {
  return `"${hash('sha256', value, 'base64url').slice(0, CHARACTERS)}"`;
}
