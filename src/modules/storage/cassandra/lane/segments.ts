import { crc32 } from 'node:zlib';
import { ProtocolViolation } from './protocol.js';

/**
 * The outer frames of protocol version 5 (native_protocol_v5.spec, section 2): from the answer to STARTUP on, everything
 * travels in segments of up to 128 KiB with checksums. Segments are not compressed here.
 */
export const SEGMENT_HEAD_BYTES = 6;
export const SEGMENT_TAIL_BYTES = 4;
export const MAX_PAYLOAD_BYTES = 0x1ffff;

const SELF_CONTAINED = 1 << 17;
const CRC24_INITIAL = 0x875060;
const CRC24_POLYNOMIAL = 0x1974f0b;
/** Checksums of payloads begin as if these had been in front, so that zeros don't have a checksum of zero. */
const CRC32_INITIAL = crc32(Buffer.from([0xfa, 0x2d, 0x55, 0xca]));

/** Writes head and tail around a payload that lies in `buffer` between them. */
export function sealSegment(buffer: Buffer, payloadStart: number, payloadEnd: number): void {
  writeHead(buffer, payloadStart - SEGMENT_HEAD_BYTES, payloadEnd - payloadStart, true);
  const checksum = crc32(buffer.subarray(payloadStart, payloadEnd), CRC32_INITIAL);
  buffer.writeUInt32LE(checksum, payloadEnd);
}

/** The segments of one large frame, whose parts are not copied. */
export function segmentsOf(parts: readonly Buffer[]): Buffer[] {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  const isWhole = bytes <= MAX_PAYLOAD_BYTES;
  return slices(parts).flatMap((payload) => segment(payload, isWhole));
}

/** Takes what comes on a connection apart into payloads; throws ProtocolViolation where a checksum is wrong. */
export class SegmentReader {
  private readonly head = Buffer.alloc(SEGMENT_HEAD_BYTES);
  private headBytes = 0;
  private rest: Buffer | undefined;
  private restBytes = 0;

  /** A payload is valid until the listener returns. */
  constructor(private readonly listener: (payload: Buffer) => void) {}

  read(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length)
      offset = this.rest ? this.gatherRest(this.rest, chunk, offset) : this.begin(chunk, offset);
  }

  private begin(chunk: Buffer, offset: number): number {
    const copied = chunk.copy(this.head, this.headBytes, offset);
    this.headBytes += copied;
    if (this.headBytes < SEGMENT_HEAD_BYTES) return offset + copied;
    this.headBytes = 0;
    return this.open(chunk, offset + copied);
  }

  private open(chunk: Buffer, offset: number): number {
    const length = readHead(this.head) + SEGMENT_TAIL_BYTES;
    const end = offset + length;
    if (end <= chunk.length) {
      this.deliver(chunk.subarray(offset, end));
      return end;
    }
    this.rest = Buffer.allocUnsafeSlow(length);
    this.restBytes = 0;
    return this.gatherRest(this.rest, chunk, offset);
  }

  private gatherRest(rest: Buffer, chunk: Buffer, offset: number): number {
    const copied = chunk.copy(rest, this.restBytes, offset);
    this.restBytes += copied;
    if (this.restBytes === rest.length) {
      this.rest = undefined;
      this.deliver(rest);
    }
    return offset + copied;
  }

  private deliver(payloadAndTail: Buffer): void {
    const end = payloadAndTail.length - SEGMENT_TAIL_BYTES;
    const payload = payloadAndTail.subarray(0, end);
    if (crc32(payload, CRC32_INITIAL) !== payloadAndTail.readUInt32LE(end))
      throw new ProtocolViolation('the checksum of a segment is wrong');
    this.listener(payload);
  }
}

function readHead(head: Buffer): number {
  const bits = head.readUIntLE(0, 3);
  if (crc24(bits) !== head.readUIntLE(3, 3))
    throw new ProtocolViolation("the checksum of a segment's head is wrong");
  return bits & MAX_PAYLOAD_BYTES;
}

function writeHead(buffer: Buffer, at: number, payloadBytes: number, isSelfContained: boolean): void {
  const bits = payloadBytes | (isSelfContained ? SELF_CONTAINED : 0);
  buffer.writeUIntLE(bits, at, 3);
  buffer.writeUIntLE(crc24(bits), at + 3, 3);
}

/** Of three bytes, the lowest first. */
function crc24(bits: number): number {
  let crc = CRC24_INITIAL;
  for (let shift = 0; shift < 24; shift += 8) {
    crc ^= ((bits >> shift) & 0xff) << 16;
    for (let bit = 0; bit < 8; bit++) {
      crc <<= 1;
      if (crc & 0x1000000) crc ^= CRC24_POLYNOMIAL;
    }
  }
  return crc;
}

function segment(payload: readonly Buffer[], isSelfContained: boolean): Buffer[] {
  const head = Buffer.alloc(SEGMENT_HEAD_BYTES);
  const tail = Buffer.alloc(SEGMENT_TAIL_BYTES);
  const bytes = payload.reduce((sum, part) => sum + part.length, 0);
  writeHead(head, 0, bytes, isSelfContained);
  tail.writeUInt32LE(payload.reduce((checksum, part) => crc32(part, checksum), CRC32_INITIAL));
  return [head, ...payload, tail];
}

/** Cuts parts into payloads of the largest size. */
function slices(parts: readonly Buffer[]): Buffer[][] {
  const payloads: Buffer[][] = [[]];
  let room = MAX_PAYLOAD_BYTES;
  for (let part of parts) {
    while (part.length > 0) {
      if (room === 0) {
        payloads.push([]);
        room = MAX_PAYLOAD_BYTES;
      }
      const piece = part.subarray(0, room);
      payloads.at(-1)?.push(piece);
      room -= piece.length;
      part = part.subarray(piece.length);
    }
  }
  return payloads;
}
