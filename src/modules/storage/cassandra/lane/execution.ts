import type { Session } from '../../session-store.js';
import { HEADER_BYTES, OPCODE, type PreparedId, type ProtocolVersion } from './protocol.js';
import type { StatementTrace } from '../statement-trace.js';
import type { StatementName } from '../statements.js';
import type { Outbox } from './outbox.js';

/** What a read found. */
export interface Row extends Session {
  /** Of `getWritten` alone, in microseconds since the epoch. */
  readonly writtenAt?: number;
}

/** One logical operation on a session. Sent again, to whichever node, it is the same: its timestamp is its identity. */
export interface Execution {
  readonly statement: StatementName;
  readonly key: Buffer;
  /** Of `set` alone. */
  readonly value?: Buffer;
  /** Of `set` alone; 0 means that it never expires. */
  readonly ttlSeconds?: number;
  /** Microseconds since the epoch: of two writes to a key Cassandra keeps the one with the later. */
  readonly timestamp: number;
  /** If the request that it is for is traced. */
  readonly trace?: StatementTrace;
}

/** Section 4.1.4: values are bound, no metadata of rows is wanted, and the client gives the timestamp. */
const FLAGS = 0x01 | 0x02 | 0x20;
/** How many values each binds; see statements.ts. */
const PARAMETERS: Record<StatementName, number> = {
  get: 1,
  getWritten: 1,
  set: 3,
  delete: 1,
  deleteLocally: 1,
  deleteAtOne: 1,
};
const TTL_BYTES = 4;
const TIMESTAMP_BYTES = 8;
/** Values from here on are written from where they lie, in bytes: below, copying is cheaper than a write of their own. */
const BY_REFERENCE_BYTES = 16 * 1024;
const NO_VALUE = Buffer.alloc(0);

/** The EXECUTE message of one prepared statement, of which all that never changes is written once. */
export class ExecuteMessage {
  private readonly template: Buffer;

  constructor(version: ProtocolVersion, prepared: PreparedId, statement: StatementName, consistency: number) {
    this.template = template(version, prepared, consistency, PARAMETERS[statement]);
  }

  write(outbox: Outbox, stream: number, execution: Execution): void {
    const { value } = execution;
    if (value && value.length >= BY_REFERENCE_BYTES)
      return this.writeByReference(outbox, stream, execution, value);
    const bytes = this.sizeWithout(execution) + (value?.length ?? 0);
    const buffer = outbox.buffer(bytes);
    const start = outbox.position;
    let end = this.writeHead(buffer, start, bytes, stream, execution);
    if (value) end += value.copy(buffer, end);
    writeTail(buffer, end, execution);
    outbox.wrote(bytes);
  }

  private writeByReference(outbox: Outbox, stream: number, execution: Execution, value: Buffer): void {
    const bytes = this.sizeWithout(execution);
    const around = Buffer.allocUnsafe(bytes);
    const headEnd = this.writeHead(around, 0, bytes + value.length, stream, execution);
    writeTail(around, headEnd, execution);
    outbox.push([around.subarray(0, headEnd), value, around.subarray(headEnd)]);
  }

  /** Of the whole frame, without the bytes of the value. */
  private sizeWithout({ key, value }: Execution): number {
    return this.template.length + 4 + key.length + (value ? 4 + 4 + TTL_BYTES : 0) + TIMESTAMP_BYTES;
  }

  /** Up to the bytes of the value; returns where they begin. */
  private writeHead(
    buffer: Buffer,
    start: number,
    bytes: number,
    stream: number,
    { key, value }: Execution,
  ): number {
    this.template.copy(buffer, start);
    buffer.writeInt16BE(stream, start + 2);
    buffer.writeUInt32BE(bytes - HEADER_BYTES, start + 5);
    let end = buffer.writeInt32BE(key.length, start + this.template.length);
    end += key.copy(buffer, end);
    return value ? buffer.writeInt32BE(value.length, end) : end;
  }
}

function writeTail(buffer: Buffer, start: number, { value, ttlSeconds = 0, timestamp }: Execution): void {
  let end = start;
  if (value) {
    end = buffer.writeInt32BE(TTL_BYTES, end);
    end = buffer.writeInt32BE(ttlSeconds, end);
  }
  end = buffer.writeUInt32BE(Math.floor(timestamp / 2 ** 32), end);
  buffer.writeUInt32BE(timestamp % 2 ** 32, end);
}

/** Header and body up to the values. */
function template(
  version: ProtocolVersion,
  { id, resultMetadataId }: PreparedId,
  consistency: number,
  parameters: number,
): Buffer {
  const resultMetadata = version >= 5 ? shortBytes(resultMetadataId) : NO_VALUE;
  const options = Buffer.alloc(version >= 5 ? 8 : 5);
  options.writeUInt16BE(consistency, 0);
  // A byte in version 4, an int in version 5.
  options.writeUInt8(FLAGS, options.length - 3);
  options.writeUInt16BE(parameters, options.length - 2);
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt8(version, 0);
  head.writeUInt8(OPCODE.execute, 4);
  return Buffer.concat([head, shortBytes(id), resultMetadata, options]);
}

function shortBytes(value: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(value.length);
  return Buffer.concat([length, value]);
}
