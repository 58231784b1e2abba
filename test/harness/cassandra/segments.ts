import { crc32 } from 'node:zlib';

/*
 * The segments of version 5 (native_protocol_v5.spec, section 2), read and written apart from the service's own code,
 * so that a mistake in that is not made twice.
 */

const HEAD_BYTES = 6;
const TAIL_BYTES = 4;
const MAX_PAYLOAD_BYTES = 0x1ffff;

export function segments(frames: Buffer): Buffer {
  const pieces: Buffer[] = [];
  const isWhole = frames.length <= MAX_PAYLOAD_BYTES;
  for (let at = 0; at < frames.length; at += MAX_PAYLOAD_BYTES) {
    const payload = frames.subarray(at, at + MAX_PAYLOAD_BYTES);
    const head = Buffer.alloc(3);
    head.writeUIntLE(payload.length | (isWhole ? 1 << 17 : 0), 0, 3);
    const tail = Buffer.alloc(TAIL_BYTES);
    tail.writeUInt32LE(checksum(payload));
    pieces.push(head, headChecksum(head), payload, tail);
  }
  return Buffer.concat(pieces);
}

/** How many of these bytes are whole segments. */
export function wholeSegmentBytes(bytes: Buffer): number {
  let end = 0;
  for (let next = segmentEnd(bytes, 0); next <= bytes.length; next = segmentEnd(bytes, next)) end = next;
  return end;
}

/** What whole segments carry; throws where a checksum is wrong. */
export function payloadsOf(bytes: Buffer): Buffer {
  const payloads: Buffer[] = [];
  for (let start = 0; start < bytes.length; start = segmentEnd(bytes, start)) {
    const end = segmentEnd(bytes, start);
    const payload = bytes.subarray(start + HEAD_BYTES, end - TAIL_BYTES);
    const isRight =
      headChecksum(bytes.subarray(start, start + 3)).equals(bytes.subarray(start + 3, start + HEAD_BYTES)) &&
      checksum(payload) === bytes.readUInt32LE(end - TAIL_BYTES);
    if (!isRight) throw new Error('a checksum of the client is wrong');
    payloads.push(payload);
  }
  return Buffer.concat(payloads);
}

function segmentEnd(bytes: Buffer, start: number): number {
  if (bytes.length - start < HEAD_BYTES) return Infinity;
  return start + HEAD_BYTES + (bytes.readUIntLE(start, 3) & MAX_PAYLOAD_BYTES) + TAIL_BYTES;
}

function checksum(payload: Buffer): number {
  return crc32(Buffer.concat([Buffer.from('fa2d55ca', 'hex'), payload]));
}

/** CRC-24 by division, bit after bit of the message, the lowest byte first. */
function headChecksum(head: Buffer): Buffer {
  let remainder = 0x875060;
  for (const byte of head)
    for (let bit = 7; bit >= 0; bit--) {
      const carry = ((remainder >> 23) & 1) ^ ((byte >> bit) & 1);
      remainder = ((remainder << 1) & 0xffffff) ^ (carry ? 0x974f0b : 0);
    }
  const out = Buffer.alloc(3);
  out.writeUIntLE(remainder, 0, 3);
  return out;
}
