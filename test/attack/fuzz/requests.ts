import type { Random } from '../../endurance/random.js';
import { chunk, LAST_CHUNK } from '../../harness/raw-http.js';
import { forwardedText, keyText, oddText, PLANTED, randomBytes, word } from './odd-text.js';

type Field = [name: string, value: string];

interface Parts {
  method: string;
  target: string;
  fields: Field[];
  body: Buffer;
}

const BASE = '/sessions/v1/';
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'];
const NAMES = [
  'Accept',
  'Authorization',
  'Connection',
  'Content-Encoding',
  'Content-Length',
  'Content-Type',
  'Cookie',
  'Expect',
  'Host',
  'If-Match',
  'If-None-Match',
  'Kask-TTL',
  'Keep-Alive',
  'Range',
  'TE',
  'Trailer',
  'Transfer-Encoding',
  'Upgrade',
  'X-Forwarded-Client-Cert',
  'X-Forwarded-For',
  'X-HTTP-Method-Override',
  'X-Request-ID',
  '__proto__',
];

/** Correct HTTP about whatever a client may choose. */
export function valid(random: Random): Buffer {
  return written(validParts(random));
}

function validParts(random: Random): Parts {
  const method = random.oneOf(METHODS);
  const hasBody = method.startsWith('P') || random.chance(0.05);
  const body = hasBody
    ? randomBytes(random, random.chance(0.02) ? 20_000 : random.between(0, 300))
    : Buffer.alloc(0);
  const fields: Field[] = [['Host', random.chance(0.9) ? 'kask.test' : word(random)]];
  if (hasBody) fields.push(['Content-Length', String(body.length)]);
  if (random.chance(0.85)) fields.push(['X-Forwarded-Client-Cert', visible(forwardedText(random))]);
  if (random.chance(0.3)) fields.push(['X-Request-ID', visible(oddText(random))]);
  if (random.chance(0.3)) fields.push([`X-${word(random)}`, visible(oddText(random))]);
  return { method, target: BASE + keyText(random), fields, body };
}

function written({ method, target, fields, body }: Parts): Buffer {
  const head = [`${method} ${target} HTTP/1.1`, ...fields.map(([name, value]) => `${name}: ${value}`)];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}

/** Of characters that a field value may have (RFC 9110 section 5.5). */
function visible(text: string): string {
  return text.replace(/[^\t\x20-\x7e\x80-\xff]/g, '?');
}

export function flipped(random: Random): Buffer {
  const bytes = valid(random);
  for (let i = random.between(1, 6); i > 0; i--) {
    const at = random.between(0, Math.min(bytes.length, 400) - 1);
    bytes[at] = random.chance(0.5)
      ? (bytes[at] as number) ^ (1 << random.between(0, 7))
      : random.between(0, 255);
  }
  return bytes;
}

export function cut(random: Random): Buffer {
  const bytes = valid(random);
  return bytes.subarray(0, random.between(1, bytes.length - 1));
}

/** A piece of it comes again, at once or elsewhere. */
export function doubled(random: Random): Buffer {
  const bytes = valid(random);
  const [from, at] = [random.between(0, bytes.length - 1), random.between(0, bytes.length)];
  const piece = bytes.subarray(from, from + random.between(1, 200));
  const pieces = Array.from({ length: random.chance(0.05) ? 300 : random.between(1, 4) }, () => piece);
  return Buffer.concat([bytes.subarray(0, at), ...pieces, bytes.subarray(at)]);
}

/** Repeated, huge, and odd ones. */
export function headers(random: Random): Buffer {
  const parts = validParts(random);
  const field = (): Field => [random.chance(0.8) ? random.oneOf(NAMES) : oddText(random), fieldText(random)];
  const more = Array.from(
    { length: random.chance(0.1) ? random.between(100, 3_000) : random.between(1, 6) },
    field,
  );
  if (random.chance(0.2)) more.push(...more);
  if (random.chance(0.1)) more.push(['X-Large', 'x'.repeat(random.between(1_000, 40_000))]);
  return written({
    ...parts,
    fields: random.chance(0.5) ? [...parts.fields, ...more] : [...more, ...parts.fields],
  });
}

function fieldText(random: Random): string {
  const some = [
    'chunked',
    'close',
    'keep-alive',
    '100-continue',
    'gzip',
    'identity',
    'h2c',
    '0',
    '5',
    '-5',
    '+5',
    '0x5',
    '*',
    'W/"a", "b"',
    ',,"',
  ];
  return random.chance(0.5) ? random.oneOf(some) : oddText(random);
}

/** With every kind of escape and form. */
export function targets(random: Random): Buffer {
  const key = keyText(random);
  const target = random.oneOf([
    () => BASE + oddText(random),
    () => BASE + key + oddText(random),
    () => `${BASE}${key}/${oddText(random)}`,
    () => `${BASE}${key}?${oddText(random)}`,
    () => `http://${word(random)}${BASE}${key}`,
    () => `http://${oddText(random)}`,
    () => `${word(random)}://${PLANTED}@x:99999${BASE}${key}`,
    () => `//${oddText(random)}`,
    () => oddText(random),
    () => '*',
    () => `/sessions/v1/../${random.oneOf(['metrics', 'healthz', 'openapi'])}`,
    () =>
      `/${random.oneOf(['metrics', 'healthz', 'healthz/ready', 'openapi', 'sessions', ''])}${oddText(random)}`,
    () => BASE + String.fromCharCode(random.between(0, 255)).repeat(random.between(1, 5)),
    () => BASE + '%25'.repeat(random.between(1, 9_000)),
    () => BASE + 'é'.repeat(random.between(1, 5_000)),
  ])();
  return written({ ...validParts(random), target });
}

export function methods(random: Random): Buffer {
  const method = random.oneOf([
    () =>
      random.oneOf(['OPTIONS', 'TRACE', 'CONNECT', 'PATCH', 'PROPFIND', 'PURGE', 'PRI', 'QUERY', 'M-SEARCH']),
    () => random.oneOf(METHODS).toLowerCase(),
    () => ` ${random.oneOf(METHODS)}`,
    () => oddText(random),
    () => word(random).toUpperCase(),
    () => 'GET'.repeat(random.between(2, 5_000)),
  ])();
  const bytes = written({ ...validParts(random), method });
  const version = random.oneOf([
    'HTTP/1.0',
    'HTTP/0.9',
    'HTTP/2.0',
    'HTTP/1.10',
    'http/1.1',
    '',
    word(random),
  ]);
  return random.chance(0.7)
    ? bytes
    : Buffer.from(bytes.toString('latin1').replace('HTTP/1.1', version), 'latin1');
}

/** Chunked bodies (RFC 9112 section 7.1), whole or broken in all ways. */
export function chunks(random: Random): Buffer {
  const { fields, ...parts } = validParts(random);
  const chunked: Field[] = [
    ...fields.filter(([name]) => name !== 'Content-Length'),
    ['Transfer-Encoding', 'chunked'],
  ];
  if (random.chance(0.1)) chunked.push(['Content-Length', String(random.between(0, 50))]);
  if (random.chance(0.1))
    chunked.push(['Transfer-Encoding', random.oneOf(['chunked', 'identity', 'gzip', 'xchunked'])]);
  const pieces = Array.from({ length: random.between(0, 4) }, () => somehowChunked(random));
  const end = random.oneOf([
    LAST_CHUNK,
    LAST_CHUNK,
    '0\r\n',
    '0',
    '',
    '0\r\nX: y\r\n\r\n',
    `0\r\n${trailers(random)}\r\n`,
  ]);
  const body = Buffer.concat([...pieces, Buffer.from(end, 'latin1')]);
  return written({ ...parts, method: random.oneOf(['POST', 'PUT', 'DELETE']), fields: chunked, body });
}

function somehowChunked(random: Random): Buffer {
  const bytes = randomBytes(random, random.between(1, 100));
  if (random.chance(0.5)) return chunk(bytes);
  const right = bytes.length.toString(16);
  const size = random.oneOf([
    'zz',
    '-1',
    `+${right}`,
    `0x${right}`,
    'FFFFFFFFFFFFFFFF',
    'FFFFFFFFFFFFFFFFFFFF',
    ` ${right}`,
    `${right} `,
    `000000000000${right}`,
    `${right};a=${'b'.repeat(random.between(0, 20_000))}`,
    `${right};${oddText(random)}`,
    (bytes.length + random.between(-5, 5)).toString(16),
    '',
  ]);
  const [before, after] = [
    random.oneOf(['\r\n', '\r\n', '\n', '\r', '']),
    random.oneOf(['\r\n', '\r\n', '\n', '']),
  ];
  return Buffer.concat([Buffer.from(size + before, 'latin1'), bytes, Buffer.from(after)]);
}

function trailers(random: Random): string {
  const count = random.chance(0.2) ? 2_000 : random.between(1, 5);
  return Array.from(
    { length: count },
    () => `${random.oneOf(NAMES)}: ${oddText(random).slice(0, 50)}\r\n`,
  ).join('');
}

export function garbage(random: Random): Buffer {
  const bytes = randomBytes(random, random.between(1, 600));
  return random.chance(0.5) ? bytes : Buffer.from(oddText(random) + word(random), 'latin1');
}

/** One behind the other, on one connection. */
export function pipelined(random: Random): Buffer {
  const one = (): Buffer =>
    random.oneOf([valid, valid, valid, flipped, doubled, headers, targets, methods, chunks])(random);
  return Buffer.concat(Array.from({ length: random.between(2, 12) }, one));
}

/** Requests for what is not there, and behind them something that is no HTTP: answers must come in this order. */
export function inOrder(random: Random): { bytes: Buffer; statuses: number[] } {
  const count = random.between(1, 8);
  const absent = (): Buffer =>
    written({
      method: 'GET',
      target: `${BASE}${PLANTED}%3Aabsent${word(random)}`,
      fields: [
        ['Host', 'kask.test'],
        ['X-Forwarded-Client-Cert', 'URI=spiffe://test/mediawiki'],
      ],
      body: Buffer.alloc(0),
    });
  const requests = Array.from({ length: count }, absent);
  return {
    bytes: Buffer.concat([
      ...requests,
      Buffer.from(random.oneOf(['\x00\x01\x02', 'no HTTP\r\n\r\n', 'GET\r\n'])),
    ]),
    statuses: [...Array.from({ length: count }, () => 404), 400],
  };
}
