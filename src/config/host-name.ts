import { isIP } from 'node:net';

// RFC 1123, and the underscore that compose files put into names.
const LABEL = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
const NAME = new RegExp(`^(?=.{1,254}$)${LABEL}(?:\\.${LABEL})*\\.?$`);

/** A last label of digits alone is a mistyped IPv4 address, not a name (RFC 1123, section 2.1). */
export function isHostName(text: string): boolean {
  return NAME.test(text) && !/(^|\.)\d+\.?$/.test(text);
}

export function isHost(text: string): boolean {
  return isIP(text) !== 0 || isHostName(text);
}

/** A name as certificates hold it: `*` may stand for the whole leftmost label (RFC 6125, section 6.4.3). */
export function isCertificateName(text: string): boolean {
  return isHostName(text.replace(/^\*\.(?=.*\.)/, ''));
}

/** Reached from this machine alone: 127.0.0.0/8 (also as IPv6 maps it), `::1`, or the name for them. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address);
}
