import type { Writable } from 'node:stream';
import { SEGMENT_HEAD_BYTES, SEGMENT_TAIL_BYTES, sealSegment, segmentsOf } from './segments.js';

/** Small frames are written one after the other into buffers of this size, in bytes; one of them is at most a segment. */
const SLAB_BYTES = 64 * 1024;

/**
 * What is to be written on a connection: all frames of one turn of the event loop leave in one write, as a system call
 * costs more than a frame. Bytes that were handed to the socket are never written over.
 */
export class Outbox {
  private slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  /** Where the frames that are not handed over yet begin and end. */
  private start = 0;
  private end = 0;
  private pieces: Buffer[] = [];
  private isScheduled = false;
  private headBytes = 0;
  private tailBytes = 0;
  private readonly flush = (): void => this.write();

  constructor(private readonly socket: Writable) {}

  /** From now on in segments, as version 5 of the protocol has it once a connection is started. */
  useSegments(): void {
    this.seal();
    this.headBytes = SEGMENT_HEAD_BYTES;
    this.tailBytes = SEGMENT_TAIL_BYTES;
    this.start = this.end = this.start + this.headBytes;
  }

  /**
   * Room for a frame of up to `maxBytes` (32 KiB at most): the buffer to write it to, from `position` on. Whoever asks
   * writes it whole before anybody else asks, and then says how long it was.
   */
  buffer(maxBytes: number): Buffer {
    if (this.end + maxBytes + this.tailBytes > this.slab.length) this.nextSlab();
    return this.slab;
  }

  get position(): number {
    return this.end;
  }

  wrote(bytes: number): void {
    this.end += bytes;
    this.schedule();
  }

  /** A frame that is not copied: its parts must not change until they are on their way. */
  push(parts: readonly Buffer[]): void {
    this.seal();
    this.pieces.push(...(this.headBytes > 0 ? segmentsOf(parts) : parts));
    this.schedule();
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(this.flush);
  }

  private nextSlab(): void {
    this.seal();
    this.slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.start = this.end = this.headBytes;
  }

  /** Makes a piece of the frames that were written to the slab. */
  private seal(): void {
    if (this.end === this.start) return;
    if (this.headBytes > 0) sealSegment(this.slab, this.start, this.end);
    this.pieces.push(this.slab.subarray(this.start - this.headBytes, this.end + this.tailBytes));
    this.start = this.end = this.end + this.tailBytes + this.headBytes;
  }

  private write(): void {
    this.isScheduled = false;
    this.seal();
    const { pieces } = this;
    if (pieces.length === 0 || !this.socket.writable) return;
    if (pieces.length > 1) this.socket.cork();
    for (const piece of pieces) this.socket.write(piece);
    if (pieces.length > 1) this.socket.uncork();
    this.pieces = [];
  }
}
