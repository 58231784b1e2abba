import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { payloadsOf, segments, wholeSegmentBytes } from './segments.js';

/** A request as it came. */
export interface Asked {
  version: number;
  stream: number;
  opcode: number;
  body: Buffer;
  /** Of an EXECUTE. */
  execution?: AskedExecution;
}

export interface AskedExecution {
  statement: 'get' | 'set' | 'delete';
  consistency: number;
  key: string;
  value?: Buffer;
  ttlSeconds?: number;
  timestamp: bigint;
}

/** What happens instead of a right answer; `true` gives that one all the same. */
export type Behaviour = (asked: Asked, conversation: Conversation) => boolean | void;

export const OPCODE = {
  error: 0x00,
  startup: 0x01,
  ready: 0x02,
  authenticate: 0x03,
  options: 0x05,
  supported: 0x06,
  result: 0x08,
  prepare: 0x09,
  execute: 0x0a,
  event: 0x0c,
  authChallenge: 0x0e,
  authResponse: 0x0f,
  authSuccess: 0x10,
};

const HEADER_BYTES = 9;

/**
 * No Cassandra, but a fake of one that says whatever a test wants, to see what a client makes of it: it knows as much
 * of the protocol as our three statements need, and keeps its rows in a map. What a real node does is for other suites.
 */
export class MisbehavingNode {
  /** What `OPTIONS` tells. */
  versions = ['3/v3', '4/v4', '5/v5', '6/v6-beta'];
  readonly asked: Asked[] = [];
  readonly conversations: Conversation[] = [];
  readonly rows = new Map<string, Buffer>();
  private readonly behaviours = new Map<number, Behaviour>();

  private constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => this.conversations.push(new Conversation(this, socket)));
  }

  static async start(): Promise<MisbehavingNode> {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new MisbehavingNode(server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** The connection that was made last. */
  get last(): Conversation {
    return this.conversations.at(-1) as Conversation;
  }

  get open(): number {
    return this.conversations.filter((each) => each.isOpen).length;
  }

  executions(): AskedExecution[] {
    return this.asked.flatMap((each) => each.execution ?? []);
  }

  on(opcode: number, behaviour: Behaviour): void {
    this.behaviours.set(opcode, behaviour);
  }

  behave(opcode: number): void {
    this.behaviours.delete(opcode);
  }

  async stop(): Promise<void> {
    for (const conversation of this.conversations) conversation.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  meet(asked: Asked, conversation: Conversation): void {
    this.asked.push(asked);
    const behaviour = this.behaviours.get(asked.opcode);
    if (!behaviour || behaviour(asked, conversation) === true) this.answer(asked, conversation);
  }

  /** What a real node would say. */
  answer(asked: Asked, conversation: Conversation): void {
    if (asked.opcode === OPCODE.options)
      return conversation.say(asked, OPCODE.supported, supported(this.versions));
    if (asked.opcode === OPCODE.startup) return conversation.say(asked, OPCODE.ready);
    if (asked.opcode === OPCODE.prepare) return conversation.say(asked, OPCODE.result, prepared(asked));
    if (asked.execution) conversation.say(asked, OPCODE.result, this.execute(asked.execution));
  }

  private execute({ statement, key, value }: AskedExecution): Buffer {
    if (statement === 'get') return rowsOf(this.rows.get(key));
    if (statement === 'set' && value) this.rows.set(key, value);
    else this.rows.delete(key);
    return int(1);
  }
}

/** One connection, seen from the node. */
export class Conversation {
  private segmented: Buffer = Buffer.alloc(0);
  private unread: Buffer = Buffer.alloc(0);
  private version = 4;
  private inSegments = false;
  isOpen = true;

  constructor(
    private readonly node: MisbehavingNode,
    readonly socket: Socket,
  ) {
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('error', () => undefined).on('close', () => (this.isOpen = false));
  }

  /** Answers with a frame. */
  say(
    { version, stream }: Pick<Asked, 'version' | 'stream'>,
    opcode: number,
    body?: Buffer,
    flags = 0,
  ): void {
    this.write(frame(version, stream, opcode, body, flags));
  }

  sayError(
    asked: Asked,
    code: number,
    message = 'as the test wants it',
    details: Buffer = Buffer.alloc(0),
  ): void {
    this.say(asked, OPCODE.error, Buffer.concat([int(code), string(message), details]));
  }

  /** Frames, in segments where the connection is. */
  write(...frames: Buffer[]): void {
    this.writeRaw(this.wrap(...frames));
  }

  wrap(...frames: Buffer[]): Buffer {
    return this.inSegments ? segments(Buffer.concat(frames)) : Buffer.concat(frames);
  }

  writeRaw(bytes: Buffer): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  cut(): void {
    this.socket.destroy();
  }

  private read(chunk: Buffer): void {
    if (this.inSegments) this.readSegments(chunk);
    else this.readFrames(chunk);
  }

  private readSegments(chunk: Buffer): void {
    this.segmented = Buffer.concat([this.segmented, chunk]);
    const whole = wholeSegmentBytes(this.segmented);
    const payloads = payloadsOf(this.segmented.subarray(0, whole));
    this.segmented = this.segmented.subarray(whole);
    this.readFrames(payloads);
  }

  private readFrames(bytes: Buffer): void {
    this.unread = Buffer.concat([this.unread, bytes]);
    while (this.unread.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.unread.readInt32BE(5);
      if (this.unread.length < end) return;
      const [head, body] = [this.unread.subarray(0, HEADER_BYTES), this.unread.subarray(HEADER_BYTES, end)];
      this.unread = this.unread.subarray(end);
      this.meet(head, body);
    }
  }

  private meet(head: Buffer, body: Buffer): void {
    this.version = head.readUInt8(0);
    const opcode = head.readUInt8(4);
    const execution = opcode === OPCODE.execute ? readExecution(body, this.version) : undefined;
    this.node.meet({ version: this.version, stream: head.readInt16BE(2), opcode, body, execution }, this);
    if (opcode === OPCODE.startup && this.version >= 5) this.inSegments = true;
  }
}

export function frame(
  version: number,
  stream: number,
  opcode: number,
  body: Buffer = Buffer.alloc(0),
  flags = 0,
): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt8(version | 0x80, 0);
  head.writeUInt8(flags, 1);
  head.writeInt16BE(stream, 2);
  head.writeUInt8(opcode, 4);
  head.writeInt32BE(body.length, 5);
  return Buffer.concat([head, body]);
}

export function supported(versions: string[]): Buffer {
  const list = (texts: string[]): Buffer => Buffer.concat([short(texts.length), ...texts.map(string)]);
  return Buffer.concat([short(1), string('PROTOCOL_VERSIONS'), list(versions)]);
}

/** The id of a statement is its text. */
export function prepared({ body, version }: Asked): Buffer {
  const cql = body.subarray(4, 4 + body.readInt32BE(0));
  return Buffer.concat([int(4), shortBytes(cql), ...(version >= 5 ? [shortBytes(Buffer.from('m'))] : [])]);
}

/** What was asked beside the value; the TTL of one that never expires is null. */
export function rowsOf(value: Buffer | null | undefined, ttlSeconds = 0): Buffer {
  const head = [int(2), int(0x04), int(2)];
  if (value === undefined) return Buffer.concat([...head, int(0)]);
  const ttl = ttlSeconds > 0 ? Buffer.concat([int(4), int(ttlSeconds)]) : int(-1);
  return Buffer.concat([...head, int(1), value ? Buffer.concat([int(value.length), value]) : int(-1), ttl]);
}

function readExecution(body: Buffer, version: number): AskedExecution {
  let at = 0;
  const bytes = (length: number): Buffer => body.subarray(at, (at += length));
  const cql = bytes(bytes(2).readUInt16BE()).toString();
  if (version >= 5) bytes(bytes(2).readUInt16BE());
  const consistency = bytes(2).readUInt16BE();
  bytes(version >= 5 ? 4 : 1);
  const values = Array.from({ length: bytes(2).readUInt16BE() }, () => bytes(bytes(4).readInt32BE()));
  const statement = cql.startsWith('SELECT') ? 'get' : cql.startsWith('INSERT') ? 'set' : 'delete';
  return {
    statement,
    consistency,
    key: String(values[0]),
    ...(statement === 'set' && { value: values[1], ttlSeconds: values[2]?.readInt32BE() }),
    timestamp: bytes(8).readBigInt64BE(),
  };
}

export function int(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

export function short(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16BE(value);
  return buffer;
}

export function string(text: string): Buffer {
  return shortBytes(Buffer.from(text));
}

export function shortBytes(bytes: Buffer): Buffer {
  return Buffer.concat([short(bytes.length), bytes]);
}
