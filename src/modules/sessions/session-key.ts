import { Problem } from '../../problems/problem.js';
import { withoutQuery } from './base-uri.js';

/** Cassandra takes 65,535 bytes and LMDB 1,978; nobody's session key comes near. */
const MAX_KEY_BYTES = 1024;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The key that the end of a request target names: one path segment, percent-decoded once (RFC 3986 section 2.1), so
 * that `%2F` is part of the key and `+` a plus. Throws the Problem that tells what is wrong with it, without the key.
 */
export function parseSessionKey(rest: string): string {
  const segment = withoutQuery(rest);
  // A question mark that nothing follows is no query string, as it was to the service that this one succeeds.
  if (rest.length > segment.length + 1)
    throw new Problem('bad_request', 'A query string is not allowed here');
  if (segment === '') throw new Problem('not_found', 'There is no key in the path');
  if (segment.includes('/'))
    throw new Problem('not_found', 'A key is one path segment; a slash in it is written %2F');
  return requireUsable(percentDecoded(segment));
}

function percentDecoded(segment: string): string {
  if (!segment.includes('%')) return fromLatin1(segment);
  return (isAscii(segment) ? decoded(segment) : undefined) ?? carefullyDecoded(segment);
}

/** Most keys, at once; `undefined` for those with a fault that has to be named. */
function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function carefullyDecoded(segment: string): string {
  if (/%(?![0-9a-f]{2})/i.test(segment)) {
    throw new Problem('bad_request', 'The key has a percent sign that two hexadecimal digits do not follow');
  }
  return fromLatin1(segment.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))));
}

/** Node hands a request target over as Latin-1, one character for each octet. */
function fromLatin1(octets: string): string {
  if (isAscii(octets)) return octets;
  try {
    return utf8.decode(Buffer.from(octets, 'latin1'));
  } catch {
    throw new Problem('bad_request', 'The key is not valid UTF-8');
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Throws the Problem that tells what is wrong with a key, without the key. */
export function requireUsable(key: string): string {
  if (key.includes('\0')) throw new Problem('bad_request', 'The key contains a NUL character');
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw new Problem('bad_request', `The key is longer than ${MAX_KEY_BYTES} bytes`);
  }
  return key;
}
