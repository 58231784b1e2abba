import type { Row } from './execution.js';

/**
 * Cassandra's native protocol, as far as sessions need it: the documents native_protocol_v4.spec and
 * native_protocol_v5.spec of Apache Cassandra. Section numbers are those of version 4.
 */
export type ProtocolVersion = 4 | 5;

/** Newest first. Version 5 is version 4 in segments with checksums; see segments.ts. */
export const VERSIONS: readonly ProtocolVersion[] = [5, 4];

/** Section 2: version, flags, stream (2), opcode, length (4). */
export const HEADER_BYTES = 9;

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
  authChallenge: 0x0e,
  authResponse: 0x0f,
  authSuccess: 0x10,
} as const;

/** Section 2.2, of the flags that a server may set without being asked. */
const FRAME_FLAG = { compressed: 0x01, tracing: 0x02, customPayload: 0x04, warning: 0x08 };
/** Section 4.2.5. */
const RESULT = { void: 1, rows: 2, prepared: 4 };
const ROWS_FLAG = { globalTable: 0x01, morePages: 0x02, noMetadata: 0x04, metadataChanged: 0x08 };
const CUSTOM_TYPE = 0;
/** Types from here on are made of others, which no column of a session is. */
const FIRST_COMPOUND_TYPE = 0x20;
const TRACING_ID_BYTES = 16;

/** What came is not the protocol: nothing that follows on the connection can be trusted. */
export class ProtocolViolation extends Error {}

export interface ErrorMessage {
  code: number;
  message: string;
}

export interface PreparedId {
  id: Buffer;
  /** Of version 5; empty before. */
  resultMetadataId: Buffer;
}

/** Reads the notations of section 3, one after the other. */
export class BodyReader {
  private offset = 0;

  constructor(private readonly body: Buffer) {}

  short(): number {
    return this.body.readUInt16BE(this.advance(2));
  }

  int(): number {
    return this.body.readInt32BE(this.advance(4));
  }

  string(): string {
    return this.take(this.short()).toString();
  }

  shortBytes(): Buffer {
    return this.take(this.short());
  }

  /** `null` on the wire is `undefined` here. */
  bytes(): Buffer | undefined {
    const length = this.int();
    return length < 0 ? undefined : this.take(length);
  }

  stringList(): string[] {
    return Array.from({ length: this.short() }, () => this.string());
  }

  stringMultimap(): Map<string, string[]> {
    return new Map(Array.from({ length: this.short() }, () => [this.string(), this.stringList()]));
  }

  take(length: number): Buffer {
    const start = this.advance(length);
    return this.body.subarray(start, start + length);
  }

  private advance(bytes: number): number {
    const start = this.offset;
    this.offset += bytes;
    if (this.offset > this.body.length) throw new ProtocolViolation('a message ends within a value');
    return start;
  }
}

/** Positions a reader behind what a server may put in front of any message (section 2.2). */
export function openBody(body: Buffer, flags: number): BodyReader {
  if (flags & FRAME_FLAG.compressed) throw new ProtocolViolation('an answer is compressed, unasked');
  const reader = new BodyReader(body);
  if (flags & FRAME_FLAG.tracing) reader.take(TRACING_ID_BYTES);
  if (flags & FRAME_FLAG.warning) reader.stringList();
  if (flags & FRAME_FLAG.customPayload) skipBytesMap(reader);
  return reader;
}

/**
 * The one row that a key can have: value, TTL, and WRITETIME where that was asked for; `undefined` where it has none.
 * Nothing but an answer to this very question may be taken for "no session". The value is of the reader's buffer.
 */
export function readRow(reader: BodyReader, withWriteTime: boolean): Row | undefined {
  if (reader.int() !== RESULT.rows) throw new ProtocolViolation('a read was not answered by rows');
  skipRowsMetadata(reader);
  const rows = reader.int();
  if (rows !== 0 && rows !== 1) throw new ProtocolViolation(`${rows} rows for one key`);
  const value = rows === 1 ? reader.bytes() : undefined;
  if (!value) return undefined;
  const ttlSeconds = readTtl(reader);
  return withWriteTime ? { value, ttlSeconds, writtenAt: readTimestamp(reader) } : { value, ttlSeconds };
}

/** TTL() is null where a value never expires. */
function readTtl(reader: BodyReader): number {
  return reader.int() < 0 ? 0 : reader.int();
}

function readTimestamp(reader: BodyReader): number {
  reader.int();
  return reader.int() * 2 ** 32 + (reader.int() >>> 0);
}

export function readVoid(reader: BodyReader): void {
  if (reader.int() !== RESULT.void) throw new ProtocolViolation('a write was not answered as such');
}

export function readPrepared(reader: BodyReader, version: ProtocolVersion): PreparedId {
  if (reader.int() !== RESULT.prepared) throw new ProtocolViolation('PREPARE was not answered as such');
  // Copies: what a reader gives is of a buffer that will be overwritten.
  const id = Buffer.from(reader.shortBytes());
  const resultMetadataId = version >= 5 ? Buffer.from(reader.shortBytes()) : Buffer.alloc(0);
  return { id, resultMetadataId };
}

export function readError(reader: BodyReader): ErrorMessage {
  return { code: reader.int(), message: reader.string() };
}

/** A whole frame with nothing but a body of strings and bytes, for what is sent once a connection. */
export function frameOf(version: ProtocolVersion, stream: number, opcode: number, body: Buffer): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt8(version, 0);
  head.writeInt16BE(stream, 2);
  head.writeUInt8(opcode, 4);
  head.writeUInt32BE(body.length, 5);
  return Buffer.concat([head, body]);
}

export function stringMap(entries: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(entries);
  return Buffer.concat([short(pairs.length), ...pairs.flat().map(string)]);
}

/** Section 4.1.5; version 5 adds flags, of which none is set. */
export function prepareBody(cql: string, version: ProtocolVersion): Buffer {
  const text = Buffer.from(cql);
  return Buffer.concat([int(text.length), text, ...(version >= 5 ? [int(0)] : [])]);
}

/** `undefined` is `null` on the wire. */
export function bytesOf(value: Buffer | undefined): Buffer {
  return value ? Buffer.concat([int(value.length), value]) : int(-1);
}

function short(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16BE(value);
  return buffer;
}

function int(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

function string(text: string): Buffer {
  const encoded = Buffer.from(text);
  return Buffer.concat([short(encoded.length), encoded]);
}

function skipBytesMap(reader: BodyReader): void {
  for (let left = reader.short(); left > 0; left--) {
    reader.string();
    reader.bytes();
  }
}

/** We ask for none, and a server of version 5 may send them all the same when they changed. */
function skipRowsMetadata(reader: BodyReader): void {
  const flags = reader.int();
  const columns = reader.int();
  if (flags & ROWS_FLAG.morePages) reader.bytes();
  if (flags & ROWS_FLAG.metadataChanged) reader.shortBytes();
  if (flags & ROWS_FLAG.noMetadata) return;
  const oneTable = (flags & ROWS_FLAG.globalTable) !== 0;
  if (oneTable) skipStrings(reader, 2);
  for (let column = 0; column < columns; column++) {
    skipStrings(reader, oneTable ? 1 : 3);
    skipType(reader);
  }
}

function skipType(reader: BodyReader): void {
  const type = reader.short();
  if (type === CUSTOM_TYPE) reader.string();
  if (type >= FIRST_COMPOUND_TYPE) throw new ProtocolViolation('a column has a type that no session has');
}

function skipStrings(reader: BodyReader, count: number): void {
  for (let i = 0; i < count; i++) reader.string();
}
