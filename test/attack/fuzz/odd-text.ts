import type { Random } from '../../endurance/random.js';
import { IDENTITY } from '../target.js';

/** In every key that is sent, and nowhere else: no log line and no metric may have it. */
export const PLANTED = 'PLANTEDsession';

const PIECES = [
  '',
  ' ',
  '\t',
  '"',
  '\\',
  ';',
  ',',
  '=',
  ':',
  '%',
  '%00',
  '%2F',
  '%2e%2e',
  '%zz',
  '%c3%28',
  '%F0%9F%94%91',
  '../',
  '//',
  '?',
  '#',
  '${jndi:ldap://x}',
  "' OR 1=1 --",
  '__proto__',
  'constructor',
  'toString',
  'NaN',
  '-1',
  '18446744073709551616',
  'é',
  '\u00ff',
  '\u0080',
];

/** What a header or a target may hold, mostly; each character is a byte. */
export function oddText(random: Random): string {
  if (random.chance(0.05)) return random.oneOf(PIECES.slice(2)).repeat(random.between(100, 3_000));
  return Array.from({ length: random.between(0, 6) }, () =>
    random.chance(0.5) ? random.oneOf(PIECES) : word(random),
  ).join('');
}

export function word(random: Random): string {
  return Math.floor(random.next() * 2 ** 32).toString(36);
}

export function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.between(0, 255)));
}

/** Percent-encoded as clients do it, or nearly. */
export function keyText(random: Random): string {
  const odd = random.chance(0.5) ? encodeURIComponent(oddText(random).slice(0, 500)) : '';
  return `${PLANTED}%3A${random.between(0, 999)}${odd}`;
}

const FORWARDED = ['URI', 'By', 'Hash', 'Subject', 'DNS', 'Cert', 'Chain', 'uri', 'X', ''];

/** For `x-forwarded-client-cert`: mostly what a proxy writes, and often nearly. */
export function forwardedText(random: Random): string {
  if (random.chance(0.6)) return `By=spiffe://test/kask;Hash=00ff;URI=${IDENTITY}`;
  const pair = (): string =>
    `${random.oneOf(FORWARDED)}${random.oneOf(['=', '="', ' = ', ''])}${part(random)}`;
  const element = (): string => Array.from({ length: random.between(0, 5) }, pair).join(';');
  return Array.from({ length: random.chance(0.05) ? 150 : random.between(0, 4) }, element).join(',');
}

function part(random: Random): string {
  return random.chance(0.4) ? IDENTITY + random.oneOf(['', '"', '/x', '%2f']) : oddText(random).slice(0, 100);
}
