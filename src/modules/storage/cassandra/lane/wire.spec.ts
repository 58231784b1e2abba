import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { payloadsOf, segments } from '../../../../../test/harness/cassandra/segments.js';
import { sessionStatements } from '../statements.js';
import { ExecuteMessage, type Execution } from './execution.js';
import { type Frame, FrameReader } from './frame-reader.js';
import { Outbox } from './outbox.js';
import {
  frameOf,
  HEADER_BYTES,
  OPCODE,
  openBody,
  prepareBody,
  type ProtocolVersion,
  readError,
  readPrepared,
  readRow,
  readVoid,
  stringMap,
} from './protocol.js';
import { SegmentReader } from './segments.js';

/*
 * Recorded on the way to and from a node of Cassandra 5.0.6 that was asked by the lane: so the checksums of what is
 * received are the node's, and it accepted those of what is sent.
 */

const STARTUP = { CQL_VERSION: '3.0.0', DRIVER_NAME: 'kask', DRIVER_VERSION: '2.0.0' };
const statements = sessionStatements('sessions', 'values');
const TIMESTAMP = 1_700_000_000_123_456;

const get = { statement: 'get', key: Buffer.from('k:1'), timestamp: TIMESTAMP } satisfies Execution;
const getWritten = { ...get, statement: 'getWritten' } satisfies Execution;
const set = {
  statement: 'set',
  key: Buffer.from('k:1'),
  value: Buffer.from('Ada'),
  ttlSeconds: 86_400,
  timestamp: TIMESTAMP,
} satisfies Execution;
const remove = { statement: 'delete', key: Buffer.from('k:1'), timestamp: TIMESTAMP } satisfies Execution;

const PREPARED_IDS = {
  get: 'd4e53f7c49be4ec13d0b1882105028f3',
  getWritten: 'e336cae3ab6733c3c7a90a29159f9b9f',
  set: '0767f517245907a3842674a7e5101ca1',
  delete: '3c9bf49cf9276ce6c2acf87059184dcc',
};
const RESULT_METADATA_IDS = {
  get: '495e8ffc0e6bcfb2b3e6ebc4f081cddd',
  getWritten: 'aebe8dc2a4099661d2dc92a73d5324dd',
  set: 'd41d8cd98f00b204e9800998ecf8427e',
  delete: 'd41d8cd98f00b204e9800998ecf8427e',
};

const SENT = {
  startup: {
    4: '0400000001000000400003000b43514c5f56455253494f4e0005332e302e30000b4452495645525f4e414d4500046b61736b000e4452495645525f56455253494f4e0005322e302e30',
    5: '0500000001000000400003000b43514c5f56455253494f4e0005332e302e30000b4452495645525f4e414d4500046b61736b000e4452495645525f56455253494f4e0005322e302e30',
  },
  prepareDelete: {
    4: '0400000209000000310000002d44454c4554452046524f4d202273657373696f6e73222e2276616c75657322205748455245206b6579203d203f',
    5: '0500000209000000350000002d44454c4554452046524f4d202273657373696f6e73222e2276616c75657322205748455245206b6579203d203f00000000',
  },
  // Consistency LOCAL_QUORUM 0006 or EACH_QUORUM 0007, flags 23, number of values, values, timestamp 00060a2418202240.
  get: {
    4: '040000020a000000260010d4e53f7c49be4ec13d0b1882105028f30006230001000000036b3a3100060a2418202240',
    5: '440002a791b0050000020a0000003b0010d4e53f7c49be4ec13d0b1882105028f30010495e8ffc0e6bcfb2b3e6ebc4f081cddd0006000000230001000000036b3a3100060a24182022409c30e305',
  },
  getWritten: {
    4: '040000020a000000260010e336cae3ab6733c3c7a90a29159f9b9f0006230001000000036b3a3100060a2418202240',
    5: '440002a791b0050000020a0000003b0010e336cae3ab6733c3c7a90a29159f9b9f0010aebe8dc2a4099661d2dc92a73d5324dd0006000000230001000000036b3a3100060a24182022405e00c5ae',
  },
  set: {
    4: '040000020a0000003500100767f517245907a3842674a7e5101ca10006230003000000036b3a3100000003416461000000040001518000060a2418202240',
    5: '53000248c3e5050000020a0000004a00100767f517245907a3842674a7e5101ca10010d41d8cd98f00b204e9800998ecf8427e0006000000230003000000036b3a3100000003416461000000040001518000060a2418202240b5173a6a',
  },
  delete: {
    4: '040000020a0000002600103c9bf49cf9276ce6c2acf87059184dcc0007230001000000036b3a3100060a2418202240',
    5: '440002a791b0050000020a0000003b00103c9bf49cf9276ce6c2acf87059184dcc0010d41d8cd98f00b204e9800998ecf8427e0007000000230001000000036b3a3100060a241820224066f2720c',
  },
};

const RECEIVED = {
  prepared: {
    4: '84000000080000006e000000040010d4e53f7c49be4ec13d0b1882105028f30000000100000001000000010000000873657373696f6e73000676616c75657300036b6579000d0000000100000002000873657373696f6e73000676616c756573000576616c75650003000a74746c2876616c7565290009',
    5: '890002e81945850000000800000080000000040010d4e53f7c49be4ec13d0b1882105028f30010495e8ffc0e6bcfb2b3e6ebc4f081cddd0000000100000001000000010000000873657373696f6e73000676616c75657300036b6579000d0000000100000002000873657373696f6e73000676616c756573000576616c75650003000a74746c2876616c7565290009a2c071907200020397ac8500000108000000690000000400100767f517245907a3842674a7e5101ca10010d41d8cd98f00b204e9800998ecf8427e0000000100000003000000010000000873657373696f6e73000676616c75657300036b6579000d000576616c7565000300055b74746c5d0009000000040000000088c47f9d6000029f6aa78500000208000000570000000400103c9bf49cf9276ce6c2acf87059184dcc0010d41d8cd98f00b204e9800998ecf8427e0000000100000001000000010000000873657373696f6e73000676616c75657300036b6579000d00000004000000003173cf2f',
  },
  found: {
    4: '84000002080000001f00000002000000050000000200000001000000034164610000000400015180',
    5: '280002ef9c8885000002080000001f0000000200000005000000020000000100000003416461000000040001517f87acf740',
  },
  foundWritten: {
    4: '84000002080000002b0000000200000005000000030000000100000003416461000000040001517f0000000800060a2418202240',
    5: '340002fef00885000002080000002b0000000200000005000000030000000100000003416461000000040001517f0000000800060a24182022408e88895a',
  },
  absent: {
    4: '84000002080000001000000002000000050000000200000000',
    5: '19000208f51a85000002080000001000000002000000050000000200000000c08a8c0e',
  },
  written: {
    4: '84000002080000000400000001',
    5: '0d0002cf07f7850000020800000004000000011df88216',
  },
  error: {
    4: '84000002000000001a0000220000144b6579206d6179206e6f7420626520656d707479',
    5: '23000211a25d85000002000000001a0000220000144b6579206d6179206e6f7420626520656d707479fedff2bd',
  },
};

/** Of a TTL of a day, when the node was asked. */
const LEFT_SECONDS = {
  4: { found: 86_400, foundWritten: 86_399 },
  5: { found: 86_399, foundWritten: 86_399 },
};

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

/** What an outbox writes in one turn. */
async function written(version: ProtocolVersion, write: (outbox: Outbox) => void): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const socket = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
  });
  const outbox = new Outbox(socket);
  if (version === 5) outbox.useSegments();
  write(outbox);
  await new Promise((resolve) => setImmediate(resolve));
  return Buffer.concat(chunks);
}

function messageOf(version: ProtocolVersion, statement: keyof typeof PREPARED_IDS): ExecuteMessage {
  const id = bytes(PREPARED_IDS[statement]);
  const prepared = { id, resultMetadataId: version === 5 ? bytes(RESULT_METADATA_IDS[statement]) : id };
  return new ExecuteMessage(version, prepared, statement, statements[statement].consistency);
}

function framesIn(version: ProtocolVersion, received: Buffer, chunkBytes = received.length): Frame[] {
  const found: Frame[] = [];
  const frames = new FrameReader(version, (frame) => found.push({ ...frame, body: Buffer.from(frame.body) }));
  const reader = version === 5 ? new SegmentReader((payload) => frames.read(payload)) : frames;
  for (let at = 0; at < received.length; at += chunkBytes)
    reader.read(Buffer.from(received.subarray(at, at + chunkBytes)));
  return found;
}

function onlyFrame(version: ProtocolVersion, received: string): Frame {
  const frames = framesIn(version, bytes(received));
  expect(frames).toHaveLength(1);
  return frames[0] as Frame;
}

/** What a node would read, by an implementation of segments that is not ours. */
function requestsIn(version: ProtocolVersion, sent: Buffer): Buffer[] {
  let all = version === 5 ? payloadsOf(sent) : sent;
  const found: Buffer[] = [];
  while (all.length > 0) {
    const end = HEADER_BYTES + all.readInt32BE(5);
    found.push(all.subarray(0, end));
    all = all.subarray(end);
  }
  return found;
}

function withoutSegment(version: ProtocolVersion, sent: string): Buffer {
  return version === 5 ? payloadsOf(bytes(sent)) : bytes(sent);
}

const bodyOf = ({ body, flags }: Frame) => openBody(body, flags);

describe.each([4, 5] as const)('version %i, to the byte', (version) => {
  it('STARTUP', () => {
    expect(frameOf(version, 0, OPCODE.startup, stringMap(STARTUP)).toString('hex')).toBe(
      SENT.startup[version],
    );
  });

  it('PREPARE', () => {
    const body = prepareBody(statements.delete.cql, version);
    expect(frameOf(version, 2, OPCODE.prepare, body).toString('hex')).toBe(SENT.prepareDelete[version]);
  });

  it.each([get, getWritten, set, remove])('EXECUTE of $statement', async (execution) => {
    const message = messageOf(version, execution.statement);
    const sent = await written(version, (outbox) => message.write(outbox, 2, execution));
    expect(sent.toString('hex')).toBe(SENT[execution.statement][version]);
  });

  it('what is sent in one turn leaves together', async () => {
    const executions = [get, set, remove];
    const sent = await written(version, (outbox) => {
      for (const each of executions) messageOf(version, each.statement).write(outbox, 2, each);
    });
    const frames = executions.map(({ statement }) => withoutSegment(version, SENT[statement][version]));
    expect(sent).toEqual(version === 5 ? segments(Buffer.concat(frames)) : Buffer.concat(frames));
  });

  it.each([0, 1, 16_383, 16_384, 131_000, 131_071, 131_072, 300_000, 2_129_920])(
    'EXECUTE with a value of %i bytes, between two others',
    async (size) => {
      const value = randomBytes(size);
      const sent = await written(version, (outbox) => {
        messageOf(version, 'get').write(outbox, 1, get);
        messageOf(version, 'set').write(outbox, 2, { ...set, value });
        messageOf(version, 'get').write(outbox, 3, get);
      });
      const [before, large, after] = requestsIn(version, sent) as [Buffer, Buffer, Buffer];
      const around = withoutSegment(version, SENT.set[version]);
      const valueAt = around.indexOf('Ada');
      expect(large.subarray(HEADER_BYTES, valueAt - 4)).toEqual(around.subarray(HEADER_BYTES, valueAt - 4));
      expect(large.readInt32BE(valueAt - 4)).toBe(size);
      expect(large.subarray(valueAt, valueAt + size).equals(value)).toBe(true);
      expect(large.subarray(valueAt + size)).toEqual(around.subarray(valueAt + 3));
      for (const [frame, stream] of [
        [before, 1],
        [after, 3],
      ] as const) {
        expect(frame.readInt16BE(2)).toBe(stream);
        expect(frame.subarray(4)).toEqual(withoutSegment(version, SENT.get[version]).subarray(4));
      }
    },
  );

  it('more in one turn than a buffer holds', async () => {
    const keys = Array.from({ length: 3_000 }, (_, i) => `enwiki:MWSession:${i}`.padEnd(64, 'x'));
    const sent = await written(version, (outbox) => {
      const message = messageOf(version, 'get');
      keys.forEach((key, i) => message.write(outbox, i, { ...get, key: Buffer.from(key) }));
    });
    const frames = requestsIn(version, sent);
    expect(frames.map((frame) => frame.readInt16BE(2))).toEqual([...keys.keys()]);
    expect(frames.map((frame) => frame.subarray(-72, -8).toString())).toEqual(keys);
  });

  it('a prepared id', () => {
    const [frame] = framesIn(version, bytes(RECEIVED.prepared[version])) as [Frame];
    expect(readPrepared(bodyOf(frame), version)).toEqual({
      id: bytes(PREPARED_IDS.get),
      resultMetadataId: version === 5 ? bytes(RESULT_METADATA_IDS.get) : Buffer.alloc(0),
    });
  });

  it('a row', () => {
    const found = readRow(bodyOf(onlyFrame(version, RECEIVED.found[version])), false);
    expect(found).toEqual({ value: Buffer.from('Ada'), ttlSeconds: LEFT_SECONDS[version].found });
  });

  it('a row, and when it was written', () => {
    expect(readRow(bodyOf(onlyFrame(version, RECEIVED.foundWritten[version])), true)).toEqual({
      value: Buffer.from('Ada'),
      ttlSeconds: LEFT_SECONDS[version].foundWritten,
      writtenAt: TIMESTAMP,
    });
  });

  it('no row', () => {
    expect(readRow(bodyOf(onlyFrame(version, RECEIVED.absent[version])), false)).toBeUndefined();
  });

  it('that a write was done', () => {
    expect(() => readVoid(bodyOf(onlyFrame(version, RECEIVED.written[version])))).not.toThrow();
  });

  it('an error', () => {
    const frame = onlyFrame(version, RECEIVED.error[version]);
    expect(frame.opcode).toBe(OPCODE.error);
    expect(readError(bodyOf(frame))).toEqual({ code: 0x2200, message: 'Key may not be empty' });
  });

  it('answers wherever they are cut', () => {
    const all = bytes(
      Object.values(RECEIVED)
        .map((each) => each[version])
        .join(''),
    );
    const whole = framesIn(version, all);
    expect(whole).toHaveLength(version === 5 ? 8 : 6);
    for (let chunkBytes = 1; chunkBytes < all.length; chunkBytes++)
      expect(framesIn(version, all, chunkBytes).map(comparable)).toEqual(whole.map(comparable));
  });
});

/** But for who owns the bytes, which depends on the cuts. */
function comparable({ flags, stream, opcode, body }: Frame): unknown {
  return { flags, stream, opcode, body: body.toString('hex') };
}
