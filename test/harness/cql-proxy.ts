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
const OPCODE = { result: 0x08, prepare: 0x09, execute: 0x0a };
const RESULT_PREPARED = 4;
const FLAG = { values: 0x01, pageSize: 0x04, pagingState: 0x08, serialConsistency: 0x10, timestamp: 0x20 };

/**
 * Stands between a driver and one node and reads what is asked (Cassandra's native protocol v4). A driver takes the
 * address of its contact point for that of the node, so all that it asks passes here.
 */
export class CqlProxy {
  readonly executions: Execution[] = [];
  /** Answers of the node are held back for so long, and no end of a connection is answered. */
  delayMs = 0;
  private readonly statements = new Map<string, string>();
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly node: { host: string; port: number },
  ) {
    server.on('connection', (client: Socket) => this.join(client));
  }

  static async start(host: string, port: number): Promise<CqlProxy> {
    const server = createServer({ allowHalfOpen: true });
    const proxy = new CqlProxy(server, { host, port });
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
    const preparing = new Map<number, string>();
    client.on('end', () => {
      if (this.delayMs === 0) client.end();
    });
    pass(client, node, (frame) => this.asked(frame, preparing));
    pass(
      node,
      client,
      (frame) => this.answered(frame, preparing),
      () => this.delayMs,
    );
    for (const socket of [client, node])
      this.sockets.add(socket.on('close', () => this.sockets.delete(socket)));
  }

  private asked(frame: Buffer, preparing: Map<number, string>): void {
    const body = new Reader(frame.subarray(HEADER_BYTES));
    const opcode = frame.readUInt8(4);
    if (opcode === OPCODE.prepare) preparing.set(frame.readInt16BE(2), String(body.bytes(body.int32())));
    if (opcode === OPCODE.execute) this.executions.push(readExecution(body, this.statements));
  }

  private answered(frame: Buffer, preparing: Map<number, string>): void {
    const cql = preparing.get(frame.readInt16BE(2));
    if (cql === undefined || frame.readUInt8(4) !== OPCODE.result) return;
    const body = new Reader(frame.subarray(HEADER_BYTES));
    if (body.int32() !== RESULT_PREPARED) return;
    preparing.delete(frame.readInt16BE(2));
    this.statements.set(body.bytes(body.uint16()).toString('hex'), cql);
  }
}

function readExecution(body: Reader, statements: ReadonlyMap<string, string>): Execution {
  const cql = statements.get(body.bytes(body.uint16()).toString('hex')) ?? '';
  const consistency = body.uint16();
  const flags = body.uint8();
  const values = flags & FLAG.values ? Array.from({ length: body.uint16() }, () => body.value()) : [];
  if (flags & FLAG.pageSize) body.int32();
  if (flags & FLAG.pagingState) body.value();
  if (flags & FLAG.serialConsistency) body.uint16();
  return { cql, consistency, values, timestamp: flags & FLAG.timestamp ? body.int64() : undefined };
}

/** Forwards bytes as they come, and shows each frame whole before its last byte goes on. */
function pass(from: Socket, to: Socket, see: (frame: Buffer) => void, delayMs = () => 0): void {
  let rest: Buffer = Buffer.alloc(0);
  from.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = frameEnd(rest); end <= rest.length; end = frameEnd(rest)) {
      see(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    if (delayMs() === 0) to.write(chunk);
    else setTimeout(() => to.write(chunk), delayMs()).unref();
  });
  from.on('close', () => to.destroy()).on('error', () => to.destroy());
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
