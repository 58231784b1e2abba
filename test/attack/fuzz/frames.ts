import type { Random } from '../../endurance/random.js';
import { forwardedText, keyText, oddText, randomBytes, word } from './odd-text.js';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** By the numbers of RFC 9113 section 6. */
const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
const END_STREAM = 1;
const END_HEADERS = 4;
const FLOOD = 400;

/** What a client of HTTP/2 sends: its preface, and frames that are right, wrong, or too many. */
export function http2(random: Random): Buffer {
  const preface = random.chance(0.95) ? PREFACE : randomBytes(random, PREFACE.length);
  const settings = random.chance(0.95) ? frame(TYPE.settings, 0, 0, Buffer.alloc(0)) : Buffer.alloc(0);
  const rest = Array.from({ length: random.between(1, 8) }, (_, i) => frames(random, 2 * i + 1));
  return Buffer.concat([preface, settings, ...rest]);
}

function frames(random: Random, stream: number): Buffer {
  return random.oneOf([request, request, request, anyFrame, anyFrame, flood, spoiltHeaders, endlessHeaders])(
    random,
    stream,
  );
}

function request(random: Random, stream: number): Buffer {
  const method = random.oneOf([
    'GET',
    'HEAD',
    'PUT',
    'POST',
    'DELETE',
    'CONNECT',
    oddText(random).slice(0, 50),
  ]);
  const hasBody = method.startsWith('P');
  const head = frame(TYPE.headers, END_HEADERS | (hasBody ? 0 : END_STREAM), stream, block(random, method));
  const isWhole = random.chance(0.8);
  const data = frame(
    TYPE.data,
    isWhole ? END_STREAM : 0,
    stream,
    randomBytes(random, random.between(0, 300)),
  );
  return hasBody ? Buffer.concat([head, data]) : head;
}

/** Each field as a literal without indexing (RFC 7541 section 6.2.2). */
function block(random: Random, method: string): Buffer {
  const fields: [string, string][] = [
    [':method', method],
    [':scheme', random.chance(0.9) ? 'https' : oddText(random)],
    [':authority', 'kask.test'],
    [':path', `/sessions/v1/${keyText(random)}`],
    ['x-forwarded-client-cert', forwardedText(random)],
  ];
  const names = [
    'connection',
    'transfer-encoding',
    'te',
    'host',
    'content-length',
    'Upper',
    ':status',
    ':path',
    word(random),
  ];
  while (random.chance(0.4)) fields.push([random.oneOf(names), oddText(random)]);
  return Buffer.concat(
    fields
      .filter(() => random.chance(0.98))
      .flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]),
  );
}

/** With its length before it (RFC 7541 section 5.2), as a number of one or two continuations at most. */
function text(content: string): Buffer {
  const bytes = Buffer.from(content, 'latin1').subarray(0, 16_000);
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const rest = bytes.length - 127;
  return Buffer.concat([Buffer.of(127, (rest & 127) | 128, rest >> 7), bytes]);
}

function anyFrame(random: Random): Buffer {
  const type = random.chance(0.8) ? random.between(0, 9) : random.between(10, 255);
  const length = random.chance(0.1) ? random.between(100, 20_000) : random.oneOf([0, 1, 4, 5, 6, 8, 13]);
  const bytes = frame(type, random.between(0, 255), random.between(0, 9), randomBytes(random, length));
  if (random.chance(0.1)) bytes.writeUIntBE(random.between(0, 2 ** 24 - 1), 0, 3);
  return bytes;
}

/** Of what costs its sender little: pings, settings, empty data, requests that are taken back at once (CVE-2023-44487). */
function flood(random: Random, stream: number): Buffer {
  const one = random.oneOf([
    () => frame(TYPE.ping, 0, 0, Buffer.alloc(8)),
    () => frame(TYPE.settings, 0, 0, Buffer.alloc(0)),
    () => frame(TYPE.data, 0, stream, Buffer.alloc(0)),
    () => frame(TYPE.priority, 0, stream, Buffer.of(0, 0, 0, stream, 1)),
    () => frame(TYPE.windowUpdate, 0, 0, Buffer.of(0x7f, 0xff, 0xff, 0xff)),
    () => frame(TYPE.continuation, 0, stream, randomBytes(random, 20)),
    (i: number) =>
      Buffer.concat([
        frame(TYPE.headers, END_HEADERS | END_STREAM, stream + 2 * i, block(random, 'GET')),
        frame(TYPE.reset, 0, stream + 2 * i, Buffer.of(0, 0, 0, 8)),
      ]),
  ]);
  return Buffer.concat(Array.from({ length: random.between(10, FLOOD) }, (_, i) => one(i)));
}

function spoiltHeaders(random: Random, stream: number): Buffer {
  const bytes = block(random, 'GET');
  bytes[random.between(0, Math.max(0, bytes.length - 1))] = random.between(0, 255);
  return frame(TYPE.headers, END_HEADERS | END_STREAM, stream, bytes);
}

/** A block of headers that goes on and on (CVE-2024-27983). */
function endlessHeaders(random: Random, stream: number): Buffer {
  const first = frame(TYPE.headers, 0, stream, block(random, 'GET'));
  const more = (): Buffer =>
    frame(TYPE.continuation, 0, stream, Buffer.concat([Buffer.of(0), text('x'), text('y'.repeat(1_000))]));
  return Buffer.concat([first, ...Array.from({ length: random.between(1, 60) }, more)]);
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
