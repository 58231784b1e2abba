import { HEADER_BYTES, ProtocolViolation } from './protocol.js';

/** Beyond the largest that a node can be configured to send, by far: such a length is no length. */
const MAX_BODY_BYTES = 256 * 1024 * 1024;

/** A message as it came. */
export interface Frame {
  flags: number;
  stream: number;
  opcode: number;
  /** Valid until the listener returns, unless `isOwn`: it may lie in a buffer that is read into again. */
  body: Buffer;
  isOwn: boolean;
}

/**
 * Cuts what comes on a connection into frames, wherever the network cut it. A frame that comes whole is handed on where
 * it lies; of one that does not, the body is gathered in a buffer of its size, so that a large value is in memory once.
 */
export class FrameReader {
  private readonly head = Buffer.alloc(HEADER_BYTES);
  private headBytes = 0;
  private body: Buffer | undefined;
  private bodyBytes = 0;
  private readonly frame: Frame = { flags: 0, stream: 0, opcode: 0, body: this.head, isOwn: false };

  /** The listener gets the same object each time. */
  constructor(
    private readonly version: number,
    private readonly listener: (frame: Frame) => void,
  ) {}

  read(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length)
      offset = this.body ? this.gatherBody(this.body, chunk, offset) : this.begin(chunk, offset);
  }

  private begin(chunk: Buffer, offset: number): number {
    if (this.headBytes > 0 || chunk.length - offset < HEADER_BYTES) return this.gatherHead(chunk, offset);
    return this.open(chunk, offset, chunk, offset + HEADER_BYTES);
  }

  private gatherHead(chunk: Buffer, offset: number): number {
    const copied = chunk.copy(this.head, this.headBytes, offset);
    this.headBytes += copied;
    if (this.headBytes < HEADER_BYTES) return offset + copied;
    this.headBytes = 0;
    return this.open(this.head, 0, chunk, offset + copied);
  }

  private open(head: Buffer, at: number, chunk: Buffer, offset: number): number {
    const length = this.readHead(head, at);
    const end = offset + length;
    if (end <= chunk.length) {
      this.deliver(chunk.subarray(offset, end), false);
      return end;
    }
    this.body = Buffer.allocUnsafeSlow(length);
    this.bodyBytes = 0;
    return this.gatherBody(this.body, chunk, offset);
  }

  private readHead(head: Buffer, at: number): number {
    // The first bit says that it is an answer.
    if (head[at] !== (this.version | 0x80))
      throw new ProtocolViolation('what came is no answer of this version');
    this.frame.flags = head[at + 1] as number;
    this.frame.stream = head.readInt16BE(at + 2);
    this.frame.opcode = head[at + 4] as number;
    const length = head.readInt32BE(at + 5);
    if (length < 0 || length > MAX_BODY_BYTES) throw new ProtocolViolation(`a frame of ${length} bytes`);
    return length;
  }

  private gatherBody(body: Buffer, chunk: Buffer, offset: number): number {
    const copied = chunk.copy(body, this.bodyBytes, offset);
    this.bodyBytes += copied;
    if (this.bodyBytes === body.length) {
      this.body = undefined;
      this.deliver(body, true);
    }
    return offset + copied;
  }

  private deliver(body: Buffer, isOwn: boolean): void {
    this.frame.body = body;
    this.frame.isOwn = isOwn;
    this.listener(this.frame);
  }
}
