import type { Random } from '../../endurance/random.js';
import { randomBytes } from './odd-text.js';

const SUITES = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc013, 0x002f, 0x000a, 0x00ff, 0x5600, 0xdada];
const GROUPS = [0x001d, 0x0017, 0x0018];
const SIGNATURES = [0x0403, 0x0804, 0x0401];
/** By the numbers of RFC 8446 section 4.2. */
const EXTENSIONS = {
  serverName: 0,
  groups: 10,
  signatures: 13,
  alpn: 16,
  ticket: 35,
  versions: 43,
} as const;

/** The first that a client sends (RFC 8446 section 4.1.2), with or without an error in it. */
export function clientHello(random: Random): Buffer {
  const extensions = [
    extension(
      EXTENSIONS.serverName,
      vector(2, Buffer.concat([Buffer.of(0), vector(2, Buffer.from('localhost'))])),
    ),
    extension(EXTENSIONS.groups, vector(2, words(GROUPS))),
    extension(EXTENSIONS.signatures, vector(2, words(SIGNATURES))),
    extension(EXTENSIONS.alpn, vector(2, vector(1, Buffer.from(random.oneOf(['h2', 'http/1.1', 'spdy/3']))))),
    extension(EXTENSIONS.ticket, randomBytes(random, random.chance(0.2) ? 200 : 0)),
    extension(EXTENSIONS.versions, vector(1, words([0x0304, 0x0303]))),
    extension(random.between(0, 65_535), randomBytes(random, random.between(0, 50))),
  ].filter(() => random.chance(0.9));
  const hello = [
    words([random.oneOf([0x0303, 0x0303, 0x0301, 0x0300, 0x0002])]),
    randomBytes(random, 32),
    vector(1, randomBytes(random, random.oneOf([0, 32, 33]))),
    vector(2, words(SUITES.filter(() => random.chance(0.7)))),
    vector(1, Buffer.of(0)),
    vector(2, Buffer.concat(extensions)),
  ];
  const handshake = Buffer.concat([Buffer.of(1), vector(3, Buffer.concat(hello))]);
  return spoilt(random, Buffer.concat([Buffer.of(22, 3, 1), vector(2, handshake)]));
}

function extension(type: number, content: Buffer): Buffer {
  return Buffer.concat([words([type]), vector(2, content)]);
}

/** Bytes behind their number, in so many bytes. */
function vector(bytes: 1 | 2 | 3, content: Buffer): Buffer {
  const length = Buffer.alloc(bytes);
  length.writeUIntBE(content.length, 0, bytes);
  return Buffer.concat([length, content]);
}

function words(numbers: number[]): Buffer {
  return Buffer.from(numbers.flatMap((number) => [number >> 8, number & 0xff]));
}

function spoilt(random: Random, bytes: Buffer): Buffer {
  if (random.chance(0.3)) return bytes;
  if (random.chance(0.3)) return bytes.subarray(0, random.between(1, bytes.length));
  if (random.chance(0.3)) return Buffer.concat([bytes, randomBytes(random, 300)]);
  bytes[random.between(0, bytes.length - 1)] = random.between(0, 255);
  return bytes;
}
