import type { Socket } from 'node:net';
import { errors } from 'cassandra-driver';
import { type Frame, FrameReader } from './frame-reader.js';
import { Outbox } from './outbox.js';
import {
  type BodyReader,
  frameOf,
  openBody,
  OPCODE,
  type ProtocolVersion,
  ProtocolViolation,
  readError,
} from './protocol.js';
import { SegmentReader } from './segments.js';
import { Expiring, type TimerWheel } from './timer-wheel.js';

/** Requests that wait for answers on one connection; the protocol has room for 32,768. */
const MAX_IN_FLIGHT = 2048;
/** So many answers may be overdue before the connection is taken for dead; each holds a stream id until it comes. */
const MAX_OVERDUE = 64;
/** Where the node does not take what is written, so many bytes wait for it before the connection counts as busy. */
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;

/** Who waits for an answer: exactly one of these is called, once. */
export interface Receiver {
  /** The frame is valid until this returns. */
  received(frame: Frame): void;
  failed(error: Error): void;
  /** The node was put aside: nobody should wait for it alone. */
  suspected?(): void;
}

export interface Reply {
  opcode: number;
  body: BodyReader;
}

/** The connection ended before an answer came; whether the node did what it was asked is unknown. */
export class ConnectionLost extends Error {
  /** As the driver marks its errors of this kind. */
  readonly isSocketError = true;
}

/** A stream id of the protocol, and who waits on it. It is used again only when its answer has come, however late. */
class Stream extends Expiring {
  isTaken = false;
  receiver: Receiver | undefined;

  constructor(
    readonly id: number,
    private readonly giveUp: (stream: Stream) => void,
  ) {
    super();
  }

  override expire(): void {
    this.giveUp(this);
  }
}

/**
 * Requests and answers on one socket to a node. Nothing that was sent is left without an end: it is answered, late, or
 * failed with the connection. What breaks the protocol ends the connection.
 */
export class Channel {
  readonly outbox: Outbox;
  /** Called once, when the connection has ended. */
  onEnd: ((error: Error) => void) | undefined;
  /** Whether anything came since it was last reset, by whoever looks after silent connections. */
  hasReceived = false;
  private readonly streams: Stream[] = [];
  private readonly free: Stream[] = [];
  private overdue = 0;
  private end: Error | undefined;
  private reader!: { read(chunk: Buffer): void };

  constructor(
    private readonly socket: Socket,
    private readonly address: string,
    private readonly wheel: TimerWheel,
  ) {
    this.outbox = new Outbox(socket);
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new ConnectionLost('the node closed the connection')));
  }

  get ended(): Error | undefined {
    return this.end;
  }

  get inFlight(): number {
    return this.streams.length - this.free.length;
  }

  /** What comes from now on is of this version. */
  speak(version: ProtocolVersion): void {
    this.reader = this.frameReader(version);
  }

  useSegments(version: ProtocolVersion): void {
    const frames = this.frameReader(version);
    this.reader = new SegmentReader((payload) => frames.read(payload));
    this.outbox.useSegments();
  }

  /** The chunk may be written over afterwards. */
  receive(chunk: Buffer): void {
    if (this.end) return;
    this.hasReceived = true;
    try {
      this.reader.read(chunk);
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /**
   * The id of a stream for a request that is to be written now, or `undefined` if the connection is busy. `deadline` is
   * a time of `performance.now()`, in ms, after which the receiver is told that the answer is late.
   */
  take(receiver: Receiver, deadline: number): number | undefined {
    if (this.socket.writableLength > MAX_UNSENT_BYTES) return undefined;
    const stream = this.free.pop() ?? this.nextStream();
    if (!stream) return undefined;
    stream.isTaken = true;
    stream.receiver = receiver;
    this.wheel.add(stream, deadline);
    return stream.id;
  }

  busy(): Error {
    return new errors.BusyConnectionError(this.address, MAX_IN_FLIGHT, 1);
  }

  late(): Error {
    return new errors.OperationTimedOutError(`${this.address} did not answer in time`, this.address);
  }

  /** For what is asked once a connection. Rejects with what an ERROR said. */
  ask(version: ProtocolVersion, opcode: number, body: Buffer, deadline: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.end) return reject(this.end);
      // A node that always has one more question would else keep us for ever.
      if (performance.now() > deadline) return reject(this.late());
      const received = (frame: Frame): void => {
        const reply = { opcode: frame.opcode, body: openBody(Buffer.from(frame.body), frame.flags) };
        if (frame.opcode === OPCODE.error) reject(errorOf(reply.body));
        else resolve(reply);
      };
      const stream = this.take({ received, failed: reject }, deadline);
      if (stream === undefined) return reject(this.busy());
      this.outbox.push([frameOf(version, stream, opcode, body)]);
    });
  }

  /** Whoever still waits fails with the error. */
  fail(error: Error): void {
    if (this.end) return;
    this.end = error instanceof ConnectionLost ? error : new ConnectionLost(error.message, { cause: error });
    this.socket.destroy();
    for (const stream of this.streams) {
      const { receiver } = stream;
      this.release(stream);
      receiver?.failed(this.end);
    }
    this.onEnd?.(this.end);
  }

  /** Tells whoever waits that it may be in vain; the answers may come nevertheless. */
  suspect(): void {
    for (const { receiver } of this.streams) receiver?.suspected?.();
  }

  private nextStream(): Stream | undefined {
    const id = this.streams.length;
    if (id === MAX_IN_FLIGHT) return undefined;
    const stream = new Stream(id, (late) => this.giveUp(late));
    this.streams.push(stream);
    return stream;
  }

  private frameReader(version: ProtocolVersion): FrameReader {
    return new FrameReader(version, (frame) => this.deliver(frame));
  }

  private deliver(frame: Frame): void {
    if (frame.stream < 0) return; // an event, and we asked for none
    const stream = this.streams[frame.stream];
    // Of all mistakes of a server the worst: it might be the session of somebody else.
    if (!stream?.isTaken) throw new ProtocolViolation('an answer to a request that was not sent');
    const { receiver } = stream;
    this.release(stream);
    if (receiver) handOver(frame, receiver);
    else this.overdue--;
  }

  private release(stream: Stream): void {
    this.wheel.remove(stream);
    if (stream.isTaken) this.free.push(stream);
    stream.isTaken = false;
    stream.receiver = undefined;
  }

  private giveUp(stream: Stream): void {
    const { receiver } = stream;
    stream.receiver = undefined;
    receiver?.failed(this.late());
    if (++this.overdue > MAX_OVERDUE)
      this.fail(new ConnectionLost(`${this.address} left ${MAX_OVERDUE} requests without an answer`));
  }
}

/** An answer that cannot be read ends the connection, and its receiver must not wait for ever. */
function handOver(frame: Frame, receiver: Receiver): void {
  try {
    receiver.received(frame);
  } catch (error) {
    receiver.failed(new ConnectionLost('an answer could not be read', { cause: error }));
    throw error;
  }
}

/** As the driver's own, so that one table tells the errors of both apart. */
export function errorOf(body: BodyReader): errors.ResponseError {
  const { code, message } = readError(body);
  return new errors.ResponseError(code, message);
}
