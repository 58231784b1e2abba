import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What a driver asked a node to execute: every field as it was on the wire. */
export interface Execution {
  cql: string;
  consistency: number;
  /** `null` is a bound null, `undefined` a value that was left unset. */
  values: (Buffer | null | undefined)[];
  /** Microseconds; the node's own clock counts if the client gives none. */
  timestamp: bigint | undefined;
}

const HEADER_BYTES = 9;
const OPCODE = {
  startup: 0x01,
  ready: 0x02,
  authenticate: 0x03,
  supported: 0x06,
  result: 0x08,
  prepare: 0x09,
  execute: 0x0a,
};
const RESULT_PREPARED = 4;
/** Of version 5: what travels in segments has a head and a tail around each payload (native_protocol_v5.spec, section 2). */
const SEGMENT = { headBytes: 6, tailBytes: 4, maxPayloadBytes: 0x1ffff };
const FLAG = { values: 0x01, pageSize: 0x04, pagingState: 0x08, serialConsistency: 0x10, timestamp: 0x20 };

/**
 * Stands between a client and one node and reads what is asked (Cassandra's native protocol v4 and v5; checksums are
 * left to the two). A client takes the address of its contact point for that of the node, so all that it asks passes
 * here.
 */
export class CqlProxy {
  readonly executions: Execution[] = [];
  /** The versions in which connections were started. */
  readonly versions = new Set<number>();
  /** Answers of the node are held back for so long, and no end of a connection is answered. */
  delayMs = 0;
  private readonly statements = new Map<string, string>();
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly node: { host: string; port: number },
    private readonly newestVersion: 4 | 5,
  ) {
    server.on('connection', (client: Socket) => this.join(client));
  }

  /** With 4 for `newestVersion` the node seems to be one that does not speak version 5 yet. */
  static async start(host: string, port: number, newestVersion: 4 | 5 = 5): Promise<CqlProxy> {
    const server = createServer({ allowHalfOpen: true });
    const proxy = new CqlProxy(server, { host, port }, newestVersion);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** How many connections drivers have open. */
  get connections(): number {
    return this.sockets.size / 2;
  }

  /** Cuts every connection; new ones are accepted. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.server.close();
    this.cut();
    await once(this.server, 'close');
  }

  private join(client: Socket): void {
    const node = connect(this.node);
    const conversation: Conversation = { preparing: new Map(), version: 4 };
    client.on('end', () => {
      if (this.delayMs === 0) client.end();
    });
    pass(client, node, (frame) => this.asked(frame, conversation));
    pass(
      node,
      client,
      (frame) => this.answered(frame, conversation),
      () => this.delayMs,
    );
    for (const socket of [client, node])
      this.sockets.add(socket.on('close', () => this.sockets.delete(socket)));
  }

  /** Tells whether what follows is in segments. */
  private asked(frame: Buffer, conversation: Conversation): boolean {
    const body = new Reader(frame.subarray(HEADER_BYTES));
    const version = frame.readUInt8(0);
    const opcode = frame.readUInt8(4);
    if (opcode === OPCODE.startup) this.versions.add((conversation.version = version));
    if (opcode === OPCODE.prepare)
      conversation.preparing.set(frame.readInt16BE(2), String(body.bytes(body.int32())));
    if (opcode === OPCODE.execute) this.executions.push(readExecution(body, version, this.statements));
    return opcode === OPCODE.startup && version >= 5;
  }

  /** Tells whether what follows is in segments. */
  private answered(frame: Buffer, { preparing, version }: Conversation): boolean {
    const opcode = frame.readUInt8(4);
    if (opcode === OPCODE.supported && this.newestVersion === 4) hideVersion5(frame);
    if (opcode === OPCODE.result) this.prepared(frame, preparing);
    return version >= 5 && (opcode === OPCODE.ready || opcode === OPCODE.authenticate);
  }

  private prepared(frame: Buffer, preparing: Map<number, string>): void {
    const cql = preparing.get(frame.readInt16BE(2));
    const body = new Reader(frame.subarray(HEADER_BYTES));
    if (cql === undefined || body.int32() !== RESULT_PREPARED) return;
    preparing.delete(frame.readInt16BE(2));
    this.statements.set(body.bytes(body.uint16()).toString('hex'), cql);
  }
}

/** What one connection has said so far. */
interface Conversation {
  preparing: Map<number, string>;
  version: number;
}

/** In place, and of the same length: a version that nobody knows. */
function hideVersion5(supported: Buffer): void {
  const at = supported.indexOf('5/v5');
  if (at >= 0) supported.write('9/v9', at);
}

function readExecution(body: Reader, version: number, statements: ReadonlyMap<string, string>): Execution {
  const cql = statements.get(body.bytes(body.uint16()).toString('hex')) ?? '';
  if (version >= 5) body.bytes(body.uint16()); // the id of the metadata of its result
  const consistency = body.uint16();
  const flags = version >= 5 ? body.int32() : body.uint8();
  const values = flags & FLAG.values ? Array.from({ length: body.uint16() }, () => body.value()) : [];
  if (flags & FLAG.pageSize) body.int32();
  if (flags & FLAG.pagingState) body.value();
  if (flags & FLAG.serialConsistency) body.uint16();
  return { cql, consistency, values, timestamp: flags & FLAG.timestamp ? body.int64() : undefined };
}

/** Forwards bytes as they come, and shows each frame whole before its last byte goes on. */
function pass(from: Socket, to: Socket, see: (frame: Buffer) => boolean, delayMs = () => 0): void {
  const frames = new FrameCutter(see);
  from.on('data', (chunk: Buffer) => {
    frames.read(chunk);
    if (delayMs() === 0) to.write(chunk);
    else setTimeout(() => to.write(chunk), delayMs()).unref();
  });
  from.on('close', () => to.destroy()).on('error', () => to.destroy());
}

/** Cuts what passes into frames, from the one on that starts a connection of version 5 out of segments. */
class FrameCutter {
  private segmented: Buffer = Buffer.alloc(0);
  private rest: Buffer = Buffer.alloc(0);
  private inSegments = false;

  /** @param see tells whether what follows a frame is in segments */
  constructor(private readonly see: (frame: Buffer) => boolean) {}

  read(chunk: Buffer): void {
    if (this.inSegments) return this.readSegments(chunk);
    // A frame that came whole is shown where it lies, so that it can be changed.
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    this.cut();
  }

  private readSegments(chunk: Buffer): void {
    this.segmented = Buffer.concat([this.segmented, chunk]);
    for (
      let end = segmentEnd(this.segmented);
      end <= this.segmented.length;
      end = segmentEnd(this.segmented)
    ) {
      const payload = this.segmented.subarray(SEGMENT.headBytes, end - SEGMENT.tailBytes);
      this.rest = Buffer.concat([this.rest, payload]);
      this.segmented = this.segmented.subarray(end);
    }
    this.cut();
  }

  private cut(): void {
    for (let end = frameEnd(this.rest); end <= this.rest.length; end = frameEnd(this.rest)) {
      const frame = this.rest.subarray(0, end);
      this.rest = this.rest.subarray(end);
      if (this.see(frame)) this.inSegments = true;
    }
  }
}

function segmentEnd(bytes: Buffer): number {
  if (bytes.length < SEGMENT.headBytes) return Infinity;
  const payloadBytes = bytes.readUIntLE(0, 3) & SEGMENT.maxPayloadBytes;
  return SEGMENT.headBytes + payloadBytes + SEGMENT.tailBytes;
}

function frameEnd(bytes: Buffer): number {
  return bytes.length < HEADER_BYTES ? Infinity : HEADER_BYTES + bytes.readInt32BE(5);
}

/** Reads the notations of the protocol one after the other. */
class Reader {
  private offset = 0;

  constructor(private readonly body: Buffer) {}

  uint8(): number {
    return this.body.readUInt8(this.advance(1));
  }

  uint16(): number {
    return this.body.readUInt16BE(this.advance(2));
  }

  int32(): number {
    return this.body.readInt32BE(this.advance(4));
  }

  int64(): bigint {
    return this.body.readBigInt64BE(this.advance(8));
  }

  bytes(length: number): Buffer {
    const start = this.advance(length);
    return this.body.subarray(start, start + length);
  }

  value(): Buffer | null | undefined {
    const length = this.int32();
    if (length === -1) return null;
    return length < 0 ? undefined : this.bytes(length);
  }

  private advance(length: number): number {
    this.offset += length;
    return this.offset - length;
  }
}
