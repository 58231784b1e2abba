import { once } from 'node:events';
import { auth, errors } from 'cassandra-driver';
import {
  type Asked,
  type Conversation,
  frame,
  int,
  MisbehavingNode,
  OPCODE,
  rowsOf,
  short,
  shortBytes,
  string,
} from '../../../../../test/harness/cassandra/misbehaving-node.js';
import { segments } from '../../../../../test/harness/cassandra/segments.js';
import { RecordedAttempt } from '../../../../../test/harness/cassandra/recorded-attempt.js';
import { eventually } from '../../../../../test/harness/cassandra/poll.js';
import { sessionStatements } from '../statements.js';
import { ConnectionLost } from './channel.js';
import type { Execution } from './execution.js';
import { LaneConnection, type NodeOptions } from './lane-connection.js';
import { TimerWheel } from './timer-wheel.js';

/** Long enough for whatever is not about time. */
const LONG_MS = 20_000;
const SHORT_MS = 30;
/** Until what happens anyway has happened, in turns of the event loop. */
const TURNS = 20;
const UNPREPARED = 0x2500;

let node: MisbehavingNode;
let options: NodeOptions;
let closing: AbortController;
let connection: LaneConnection | undefined;

beforeEach(async () => {
  node = await MisbehavingNode.start();
  closing = new AbortController();
  options = {
    address: `127.0.0.1:${node.port}`,
    host: '127.0.0.1',
    port: node.port,
    tls: undefined,
    authentication: undefined,
    connectTimeoutMs: LONG_MS,
    heartbeatMs: LONG_MS,
    statements: sessionStatements('sessions', 'values'),
    wheel: new TimerWheel(5),
  };
});

afterEach(async () => {
  closing.abort();
  connection?.close();
  connection = undefined;
  await node.stop();
});

async function open(): Promise<LaneConnection> {
  connection = await LaneConnection.open(options, closing.signal);
  return connection;
}

/** Open, and with every statement prepared. */
async function openPrepared(): Promise<LaneConnection> {
  const opened = await open();
  for (const statement of ['get', 'set', 'delete'] as const) await send(opened, { statement }).value();
  node.asked.length = 0;
  return opened;
}

let timestamp = 1_700_000_000_000_000;

function send(
  to: LaneConnection,
  {
    statement = 'get',
    key = 'key',
    value = Buffer.from('Ada'),
  }: { statement?: Execution['statement']; key?: string; value?: Buffer } = {},
  ms = LONG_MS,
): RecordedAttempt {
  const attempt = new RecordedAttempt();
  const execution = { statement, key: Buffer.from(key), timestamp: timestamp++ };
  to.execute(
    statement === 'set' ? { ...execution, value, ttlSeconds: 60 } : execution,
    performance.now() + ms,
    attempt,
  );
  return attempt;
}

async function turns(): Promise<void> {
  for (let i = 0; i < TURNS; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Resolves with what is held back until the test answers it. */
function holdExecutions(): { asked: Asked; conversation: Conversation }[] {
  const held: { asked: Asked; conversation: Conversation }[] = [];
  node.on(OPCODE.execute, (asked, conversation) => void held.push({ asked, conversation }));
  return held;
}

function answer({ asked, conversation }: { asked: Asked; conversation: Conversation }): void {
  node.answer(asked, conversation);
}

const isTimeout = (error: unknown): boolean => error instanceof errors.OperationTimedOutError;

describe.each([4, 5] as const)('a connection of version %i', (version) => {
  beforeEach(() => {
    node.versions = version === 5 ? ['3/v3', '4/v4', '5/v5', '6/v6-beta'] : ['3/v3', '4/v4', '5/v5-beta'];
  });

  it('is of that version', async () => {
    await openPrepared();
    node.asked.length = 0;
    await send(connection as LaneConnection).value();
    expect(node.asked.map((asked) => asked.version)).toEqual([version]);
  });

  describe('answers', () => {
    it('reach those who asked, whatever their order, many in one chunk', async () => {
      const opened = await openPrepared();
      const keys = Array.from({ length: 500 }, (_, i) => `key ${i}`);
      for (const key of keys) node.rows.set(key, Buffer.from(`of ${key}`));
      const held = holdExecutions();
      const attempts = keys.map((key) => send(opened, { key }));
      await eventually(() => Promise.resolve(expect(held).toHaveLength(500)));
      const frames = held
        .reverse()
        .map(({ asked }) =>
          frame(version, asked.stream, OPCODE.result, rowsOf(Buffer.from(`of ${asked.execution?.key}`))),
        );
      node.last.write(...frames);
      const values = await Promise.all(attempts.map((attempt) => attempt.value()));
      expect(values.map(String)).toEqual(keys.map((key) => `of ${key}`));
    });

    it('may come byte by byte', async () => {
      const opened = await openPrepared();
      node.on(OPCODE.execute, (asked, conversation) => {
        const whole = conversation.wrap(
          frame(version, asked.stream, OPCODE.result, rowsOf(Buffer.from('Ada'))),
        );
        void (async () => {
          for (const byte of whole) {
            conversation.writeRaw(Buffer.from([byte]));
            await new Promise((resolve) => setImmediate(resolve));
          }
        })();
      });
      expect(await send(opened).value()).toEqual(Buffer.from('Ada'));
      expect(await send(opened).value()).toEqual(Buffer.from('Ada'));
    });

    it.each([0, 1, 65_000, 131_071, 131_072, 2_129_920])('may have a value of %i bytes', async (size) => {
      const opened = await openPrepared();
      const value = Buffer.alloc(size, 'Ada');
      await send(opened, { statement: 'set', value }).value();
      const other = send(opened, { key: 'another' });
      expect((await send(opened).value())?.equals(value)).toBe(true);
      expect(await other.value()).toBeUndefined();
    });

    it('stay what they are when others follow', async () => {
      const opened = await openPrepared();
      node.rows.set('key', Buffer.from('first'));
      const first = await send(opened).value();
      node.rows.set('key', Buffer.from('other'));
      await send(opened).value();
      expect(first).toEqual(Buffer.from('first'));
    });

    const tracing = Buffer.alloc(16, 7);
    const warnings = Buffer.concat([short(2), string('too many tombstones'), string('')]);
    const payload = Buffer.concat([short(2), string('a'), int(3), Buffer.from('xyz'), string('b'), int(-1)]);
    it.each([
      ['a tracing id', 0x02, [tracing]],
      ['warnings', 0x08, [warnings]],
      ['a custom payload', 0x04, [payload]],
      ['all of them', 0x0e, [tracing, warnings, payload]],
    ])('may have %s in front', async (_, flags, parts) => {
      const opened = await openPrepared();
      node.on(OPCODE.execute, (asked, conversation) => {
        conversation.say(asked, OPCODE.result, Buffer.concat([...parts, rowsOf(Buffer.from('Ada'))]), flags);
      });
      expect(await send(opened).value()).toEqual(Buffer.from('Ada'));
      node.on(OPCODE.execute, (asked, conversation) => {
        conversation.say(
          asked,
          OPCODE.error,
          Buffer.concat([...parts, int(0x1000), string('unavailable')]),
          flags,
        );
      });
      expect(await send(opened).failure()).toMatchObject({ code: 0x1000, message: 'unavailable' });
    });

    const column = (...names: string[]) => Buffer.concat([...names.map(string), short(3)]);
    const row = Buffer.concat([int(1), int(3), Buffer.from('Ada'), int(4), int(60)]);
    it.each([
      ['of one table', [int(0x01), int(1), string('sessions'), string('values'), column('value')]],
      ['of each column', [int(0x00), int(1), column('sessions', 'values', 'value')]],
      [
        'of a custom type',
        [int(0x00), int(1), string('s'), string('t'), string('c'), short(0), string('x.Y')],
      ],
      [
        'that changed',
        [int(0x09), int(1), shortBytes(Buffer.from('new id')), string('s'), string('t'), column('value')],
      ],
      ['that none may have', [int(0x04), int(1)]],
      ['with a paging state', [int(0x06), int(1), int(2), Buffer.from('pq')]],
    ])('may have metadata %s', async (_, metadata) => {
      const opened = await openPrepared();
      node.on(OPCODE.execute, (asked, conversation) => {
        conversation.say(asked, OPCODE.result, Buffer.concat([int(2), ...metadata, row]));
      });
      expect(await send(opened).value()).toEqual(Buffer.from('Ada'));
    });

    it('are absence where there is no row, or none but a null', async () => {
      const opened = await openPrepared();
      expect(await send(opened).value()).toBeUndefined();
      node.on(OPCODE.execute, (asked, conversation) => conversation.say(asked, OPCODE.result, rowsOf(null)));
      expect(await send(opened).value()).toBeUndefined();
    });

    it('tell what is left of the TTL', async () => {
      const opened = await openPrepared();
      node.rows.set('key', Buffer.from('Ada'));
      expect(await send(opened).row()).toEqual({ value: Buffer.from('Ada'), ttlSeconds: 0 });
      node.on(OPCODE.execute, (asked, by) =>
        by.say(asked, OPCODE.result, rowsOf(Buffer.from('Ada'), 86_400)),
      );
      expect(await send(opened).row()).toEqual({ value: Buffer.from('Ada'), ttlSeconds: 86_400 });
    });

    it('tell when a value was written, if that was asked', async () => {
      const opened = await openPrepared();
      const writtenAt = 1_700_000_000_123_456;
      const timestamp = Buffer.alloc(12);
      timestamp.writeInt32BE(8);
      timestamp.writeBigInt64BE(BigInt(writtenAt), 4);
      node.on(OPCODE.execute, (asked, by) =>
        by.say(asked, OPCODE.result, Buffer.concat([rowsOf(Buffer.from('Ada'), 60), timestamp])),
      );
      const found = await send(opened, { statement: 'getWritten' }).row();
      expect(found).toEqual({ value: Buffer.from('Ada'), ttlSeconds: 60, writtenAt });
    });

    it('are no events', async () => {
      const opened = await openPrepared();
      node.on(OPCODE.execute, (_asked, conversation) => {
        conversation.write(frame(version, -1, OPCODE.event, Buffer.from('anything')));
        return true;
      });
      expect(await send(opened).value()).toBeUndefined();
    });
  });

  describe('errors', () => {
    it.each([
      ['server error', 0x0000],
      ['protocol error', 0x000a],
      ['bad credentials', 0x0100],
      ['unavailable', 0x1000],
      ['overloaded', 0x1001],
      ['bootstrapping', 0x1002],
      ['truncate error', 0x1003],
      ['write timeout', 0x1100],
      ['read timeout', 0x1200],
      ['read failure', 0x1300],
      ['write failure', 0x1500],
      ['syntax error', 0x2000],
      ['unauthorized', 0x2100],
      ['invalid', 0x2200],
      ['one that nobody knows', 0x7777],
    ])('of a node are those of the request: %s', async (_, code) => {
      const opened = await openPrepared();
      node.on(OPCODE.execute, (asked, conversation) =>
        conversation.sayError(asked, code, 'because', Buffer.alloc(11, 1)),
      );
      const attempt = send(opened, { statement: 'set' });
      expect(await attempt.failure()).toMatchObject({ code, message: 'because' });
      node.behave(OPCODE.execute);
      expect(await send(opened).value()).toBeUndefined();
      expect(attempt.ends).toHaveLength(1);
    });

    it('“unprepared”: is prepared anew and sent once more, the same', async () => {
      const opened = await openPrepared();
      let times = 0;
      node.on(OPCODE.execute, (asked, conversation) => {
        if (times++ === 0) conversation.sayError(asked, UNPREPARED, 'unknown', shortBytes(Buffer.from('id')));
        else node.answer(asked, conversation);
      });
      await send(opened, { statement: 'set' }).value();
      expect(node.asked.map(({ opcode }) => opcode)).toEqual([
        OPCODE.execute,
        OPCODE.prepare,
        OPCODE.execute,
      ]);
      expect(node.executions()[1]).toEqual(node.executions()[0]);
    });

    it('“unprepared” again: fails', async () => {
      const opened = await openPrepared();
      node.on(OPCODE.execute, (asked, conversation) =>
        conversation.sayError(asked, UNPREPARED, 'unknown', shortBytes(Buffer.from('id'))),
      );
      expect(await send(opened).failure()).toMatchObject({ code: UNPREPARED });
      expect(node.executions()).toHaveLength(2);
      expect(opened.isOpen).toBe(true);
    });

    it('“unprepared”, and preparing is refused: fails with that', async () => {
      const opened = await openPrepared();
      node.on(OPCODE.execute, (asked, conversation) => conversation.sayError(asked, UNPREPARED, 'unknown'));
      node.on(OPCODE.prepare, (asked, conversation) => conversation.sayError(asked, 0x2200, 'no table'));
      expect(await send(opened).failure()).toMatchObject({ code: 0x2200, message: 'no table' });
    });

    it('“unprepared” to hundreds at once: they share what they prepare', async () => {
      const opened = await openPrepared();
      const held = holdExecutions();
      const attempts = Array.from({ length: 300 }, (_, i) => send(opened, { key: String(i) }));
      await eventually(() => Promise.resolve(expect(held).toHaveLength(300)));
      node.behave(OPCODE.execute);
      node.last.write(
        ...held.map(({ asked }) =>
          frame(version, asked.stream, OPCODE.error, Buffer.concat([int(UNPREPARED), string('unknown')])),
        ),
      );
      await Promise.all(attempts.map((attempt) => attempt.value()));
      expect(node.asked.filter(({ opcode }) => opcode === OPCODE.prepare).length).toBeLessThan(10);
      expect(attempts.every((attempt) => attempt.ends.length === 1)).toBe(true);
    });

    it('of preparing are told to who needs the statement, and it is tried anew', async () => {
      node.on(OPCODE.prepare, (asked, conversation) => conversation.sayError(asked, 0x2200, 'no table'));
      const opened = await open();
      await turns();
      expect(await send(opened).failure()).toMatchObject({ code: 0x2200 });
      node.behave(OPCODE.prepare);
      expect(await send(opened).value()).toBeUndefined();
    });
  });

  describe('an answer that is late', () => {
    it('reaches nobody, and its stream is not used before it came', async () => {
      const opened = await openPrepared();
      node.rows.set('late', Buffer.from('of somebody else'));
      const held = holdExecutions();
      const late = send(opened, { key: 'late' }, SHORT_MS);
      expect(isTimeout(await late.failure())).toBe(true);
      const others = Array.from({ length: 200 }, (_, i) => send(opened, { key: `other ${i}` }));
      await eventually(() => Promise.resolve(expect(held).toHaveLength(201)));
      const [lateOne, ...rest] = held;
      const stream = lateOne?.asked.stream;
      expect(rest.map(({ asked }) => asked.stream)).not.toContain(stream);
      for (const each of held) answer(each); // the late one first
      expect(await Promise.all(others.map((other) => other.value()))).toEqual(others.map(() => undefined));
      expect(late.ends).toHaveLength(1);
      expect(opened.inFlight).toBe(0);

      held.length = 0;
      const again = Array.from({ length: 201 }, () => send(opened));
      await eventually(() => Promise.resolve(expect(held).toHaveLength(201)));
      expect(held.map(({ asked }) => asked.stream)).toContain(stream);
      held.forEach(answer);
      await Promise.all(again.map((each) => each.value()));
    });

    it('64 of them are waited for, not more', async () => {
      const opened = await openPrepared();
      holdExecutions();
      const lost = new Promise<Error>((resolve) => (opened.onEnd = resolve));
      const waiting = send(opened);
      const late = Array.from({ length: 64 }, () => send(opened, {}, SHORT_MS));
      for (const each of late) expect(isTimeout(await each.failure())).toBe(true);
      expect(opened.isOpen).toBe(true);
      const last = send(opened, {}, SHORT_MS);
      expect(isTimeout(await last.failure())).toBe(true);
      expect(await lost).toBeInstanceOf(ConnectionLost);
      expect(await waiting.failure()).toBeInstanceOf(ConnectionLost);
      for (const each of [...late, last, waiting]) expect(each.ends).toHaveLength(1);
    });

    it('that was late already when it was sent ends at once', async () => {
      const opened = await openPrepared();
      holdExecutions();
      for (const ms of [0, -1, -50, -5_000])
        expect(isTimeout(await send(opened, {}, ms).failure())).toBe(true);
    });

    it('is late while its statement is prepared, too', async () => {
      node.on(OPCODE.prepare, () => false);
      const opened = await open();
      const attempt = send(opened, {}, SHORT_MS);
      expect(isTimeout(await attempt.failure())).toBe(true);
      for (const asked of node.asked.filter(({ opcode }) => opcode === OPCODE.prepare))
        node.answer(asked, node.last);
      await turns();
      expect(node.executions()).toEqual([]);
      expect(attempt.ends).toHaveLength(1);
    });
  });

  describe('what is not the protocol ends the connection and fails who waits', () => {
    const wrong: [string, (asked: Asked, conversation: Conversation) => void][] = [
      [
        'a stream that was never used',
        (asked, by) => by.say({ ...asked, stream: 20_000 }, OPCODE.result, int(1)),
      ],
      [
        'a second answer',
        (asked, by) => {
          by.write(frame(version, asked.stream + 1, OPCODE.result, rowsOf(undefined)));
        },
      ],
      ['no RESULT', (asked, by) => by.say(asked, OPCODE.ready)],
      ['a read that is answered as a write', (asked, by) => by.say(asked, OPCODE.result, int(1))],
      ['a read that is answered as PREPARE', (asked, by) => by.say(asked, OPCODE.result, int(4))],
      [
        'two rows',
        (asked, by) =>
          by.say(
            asked,
            OPCODE.result,
            rows(2, int(1), Buffer.from('a'), int(-1), int(1), Buffer.from('b'), int(-1)),
          ),
      ],
      ['fewer than no rows', (asked, by) => by.say(asked, OPCODE.result, rows(-1))],
      ['a row that is missing', (asked, by) => by.say(asked, OPCODE.result, rows(1))],
      [
        'a value that ends early',
        (asked, by) => by.say(asked, OPCODE.result, rows(1, int(9), Buffer.from('Ada'))),
      ],
      [
        'a value without its TTL',
        (asked, by) => by.say(asked, OPCODE.result, rows(1, int(1), Buffer.from('a'))),
      ],
      ['an empty body', (asked, by) => by.say(asked, OPCODE.result)],
      ['an empty error', (asked, by) => by.say(asked, OPCODE.error)],
      [
        'a type that is made of others',
        (asked, by) =>
          by.say(
            asked,
            OPCODE.result,
            Buffer.concat([int(2), int(1), int(1), string('s'), string('t'), string('c'), short(0x20)]),
          ),
      ],
      ['compression', (asked, by) => by.say(asked, OPCODE.result, rowsOf(undefined), 0x01)],
      ['warnings without end', (asked, by) => by.say(asked, OPCODE.result, short(65_535), 0x08)],
      [
        'another version',
        (asked, by) => by.say({ ...asked, version: version === 4 ? 5 : 4 }, OPCODE.result, rowsOf(undefined)),
      ],
      [
        'a request',
        (asked, by) =>
          by.write(
            Buffer.concat([Buffer.from([version]), frame(version, asked.stream, OPCODE.result).subarray(1)]),
          ),
      ],
      ['garbage', (_asked, by) => by.writeRaw(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))],
      [
        'an absurd length',
        (asked, by) => by.write(withLength(frame(version, asked.stream, OPCODE.result), 0x7fffffff)),
      ],
      [
        'a negative length',
        (asked, by) => by.write(withLength(frame(version, asked.stream, OPCODE.result), -1)),
      ],
      ['the end', (_asked, by) => by.cut()],
      ['an orderly end', (_asked, by) => void by.socket.end()],
      ['a reset', (_asked, by) => void by.socket.resetAndDestroy()],
      [
        'half an answer and the end',
        (asked, by) =>
          void by.socket.end(
            by.wrap(frame(version, asked.stream, OPCODE.result, rowsOf(Buffer.from('Ada')))).subarray(0, -5),
          ),
      ],
    ];
    it.each(wrong)('%s', async (_, behave) => {
      const opened = await openPrepared();
      const lost = new Promise<Error>((resolve) => (opened.onEnd = resolve));
      const held = holdExecutions();
      const attempts = [send(opened), send(opened, { key: 'other' })];
      await eventually(() => Promise.resolve(expect(held).toHaveLength(2)));
      const [first, second] = held as [(typeof held)[0], (typeof held)[0]];
      behave(first.asked, first.conversation);
      // Somebody whose answer was lost, or who got one that is his, never one of somebody else's.
      expect(await lost).toBeInstanceOf(ConnectionLost);
      node.answer(second.asked, second.conversation);
      await turns();
      for (const attempt of attempts) expect(attempt.ends).toHaveLength(1);
      expect(attempts.some((attempt) => attempt.error instanceof ConnectionLost)).toBe(true);
      expect(opened.isOpen).toBe(false);
      expect(await send(opened).failure()).toBeInstanceOf(ConnectionLost);
    });

    it('a write that is answered as a read', async () => {
      const opened = await openPrepared();
      node.on(OPCODE.execute, (asked, by) => by.say(asked, OPCODE.result, rowsOf(Buffer.from('Ada'))));
      expect(await send(opened, { statement: 'delete' }).failure()).toBeInstanceOf(ConnectionLost);
    });

    it('an answer that is given twice', async () => {
      const opened = await openPrepared();
      const lost = new Promise<Error>((resolve) => (opened.onEnd = resolve));
      node.on(OPCODE.execute, (asked, conversation) => {
        const once = frame(version, asked.stream, OPCODE.result, rowsOf(undefined));
        conversation.write(once, once);
      });
      const attempt = send(opened);
      await attempt.value();
      expect(await lost).toBeInstanceOf(ConnectionLost);
      expect(attempt.ends).toEqual([undefined]);
    });

    it('PREPARE that is answered as something else', async () => {
      node.on(OPCODE.prepare, (asked, by) => by.say(asked, OPCODE.result, int(1)));
      const opened = await open();
      expect(await send(opened).failure()).toBeInstanceOf(ConnectionLost);
      expect(opened.isOpen).toBe(false);
    });

    function rows(count: number, ...cells: Buffer[]): Buffer {
      return Buffer.concat([int(2), int(4), int(2), int(count), ...cells]);
    }
    function withLength(bytes: Buffer, length: number): Buffer {
      bytes.writeInt32BE(length, 5);
      return bytes;
    }
  });

  describe('requests end', () => {
    it('when the connection is closed while they wait', async () => {
      const opened = await openPrepared();
      holdExecutions();
      const attempts = Array.from({ length: 50 }, (_, i) => send(opened, { key: String(i) }));
      opened.close();
      opened.close();
      for (const attempt of attempts) expect(await attempt.failure()).toBeInstanceOf(ConnectionLost);
      expect(attempts.every((attempt) => attempt.ends.length === 1)).toBe(true);
      await eventually(() => Promise.resolve(expect(node.open).toBe(0)));
    });

    it('when it is closed while their statement is prepared', async () => {
      node.on(OPCODE.prepare, () => false);
      const opened = await open();
      const attempts = [send(opened), send(opened, { statement: 'set' }), send(opened)];
      await turns();
      opened.close();
      for (const attempt of attempts) expect(await attempt.failure()).toBeInstanceOf(ConnectionLost);
      expect(attempts.map((attempt) => attempt.ends.length)).toEqual([1, 1, 1]);
    });

    it('when it is closed by who was told the end of another', async () => {
      const opened = await openPrepared();
      const held = holdExecutions();
      const other = new RecordedAttempt();
      opened.execute(
        { statement: 'get', key: Buffer.from('key'), timestamp: 1 },
        performance.now() + LONG_MS,
        {
          answered: () => opened.close(),
          failed: () => undefined,
        },
      );
      opened.execute(
        { statement: 'get', key: Buffer.from('key'), timestamp: 1 },
        performance.now() + LONG_MS,
        other,
      );
      await eventually(() => Promise.resolve(expect(held).toHaveLength(2)));
      node.last.write(
        ...held.map(({ asked }) => frame(version, asked.stream, OPCODE.result, rowsOf(undefined))),
      );
      await other.ended;
      await turns();
      expect(other.ends).toHaveLength(1);
    });

    it('when all streams are taken', async () => {
      const opened = await openPrepared();
      holdExecutions();
      const attempts = Array.from({ length: 2_048 }, () => send(opened));
      const tooMany = send(opened);
      expect(await tooMany.failure()).toBeInstanceOf(errors.BusyConnectionError);
      expect(attempts.every((attempt) => attempt.ends.length === 0)).toBe(true);
    });

    it('when the node does not read any more: then it counts as busy', async () => {
      const opened = await openPrepared();
      node.last.socket.pause();
      const attempts: RecordedAttempt[] = [];
      const value = Buffer.alloc(1024 * 1024);
      const isBusy = (attempt: RecordedAttempt): boolean =>
        attempt.error instanceof errors.BusyConnectionError;
      while (!attempts.some(isBusy)) {
        attempts.push(send(opened, { statement: 'set', value }, 300));
        await new Promise((resolve) => setImmediate(resolve));
        // 8 MiB of ours, and what the two kernels hold.
        expect(attempts.length).toBeLessThan(60);
      }
      for (const attempt of attempts.filter((each) => !isBusy(each)))
        expect(isTimeout(await attempt.failure())).toBe(true);
      node.last.socket.resume();
      await eventually(async () => expect(await send(opened, { key: 'other' }).value()).toBeUndefined());
      expect(attempts.every((attempt) => attempt.ends.length === 1)).toBe(true);
    });
  });

  describe('a connection that is silent', () => {
    beforeEach(() => {
      options.heartbeatMs = SHORT_MS;
    });

    it('is asked whether it lives, and lives on', async () => {
      options.heartbeatMs = 200;
      const opened = await openPrepared();
      const beats = () => node.asked.filter(({ opcode }) => opcode === OPCODE.options).length;
      await eventually(() => Promise.resolve(expect(beats()).toBeGreaterThan(3)));
      expect(opened.isOpen).toBe(true);
    });

    it('lives on where it answers no more than that it will not', async () => {
      options.heartbeatMs = 200;
      const opened = await openPrepared();
      let beats = 0;
      node.on(OPCODE.options, (asked, conversation) => {
        beats++;
        conversation.sayError(asked, 0x1001, 'overloaded');
      });
      await eventually(() => Promise.resolve(expect(beats).toBeGreaterThan(3)));
      expect(opened.isOpen).toBe(true);
    });

    it('is given up where it does not answer, and who waits is told', async () => {
      const opened = await openPrepared();
      const lost = new Promise<Error>((resolve) => (opened.onEnd = resolve));
      node.on(OPCODE.options, () => false);
      holdExecutions();
      const attempt = send(opened);
      expect((await lost).message).toMatch(/is silent$/);
      expect(await attempt.failure()).toBeInstanceOf(ConnectionLost);
      await eventually(() => Promise.resolve(expect(node.open).toBe(0)));
    });
  });
});

describe('segments', () => {
  it.each([
    ['head', 3],
    ['payload', 12],
    ['tail', -1],
  ])('whose checksum does not fit the %s end the connection', async (_, at) => {
    const opened = await openPrepared();
    const lost = new Promise<Error>((resolve) => (opened.onEnd = resolve));
    node.on(OPCODE.execute, (asked, conversation) => {
      const sealed = segments(frame(5, asked.stream, OPCODE.result, rowsOf(Buffer.from('Ada'))));
      sealed[at < 0 ? sealed.length + at : at]! ^= 1;
      conversation.writeRaw(sealed);
    });
    const attempt = send(opened);
    expect((await lost).message).toMatch(/checksum/);
    expect(await attempt.failure()).toBeInstanceOf(ConnectionLost);
  });

  it('may be empty, and may cut frames anywhere', async () => {
    const opened = await openPrepared();
    node.on(OPCODE.execute, (asked, conversation) => {
      const whole = frame(5, asked.stream, OPCODE.result, rowsOf(Buffer.from('Ada')));
      for (let at = 0; at < whole.length; at += 4)
        conversation.writeRaw(segments(whole.subarray(at, at + 4)));
      conversation.writeRaw(segments(Buffer.alloc(0)));
    });
    expect(await send(opened).value()).toEqual(Buffer.from('Ada'));
    expect(await send(opened).value()).toEqual(Buffer.from('Ada'));
  });
});

describe('the handshake', () => {
  const steps = { OPTIONS: OPCODE.options, STARTUP: OPCODE.startup, AUTH_RESPONSE: OPCODE.authResponse };

  beforeEach(() => {
    options.authentication = new auth.PlainTextAuthProvider('kask', 'secret');
    node.on(OPCODE.startup, (asked, by) =>
      by.say(asked, OPCODE.authenticate, string('org.apache.cassandra.auth.PasswordAuthenticator')),
    );
    node.on(OPCODE.authResponse, (asked, by) => by.say(asked, OPCODE.authSuccess, int(-1)));
  });

  const refusal = (): Promise<unknown> =>
    open().then(
      () => undefined,
      (error: unknown) => error,
    );

  it.each([4, 5])('authenticates, in version %i', async (version) => {
    node.versions = [`${version}/v${version}`];
    await openPrepared();
    node.asked.length = 0;
    await refusal();
    const token = node.asked.find(({ opcode }) => opcode === OPCODE.authResponse)?.body;
    expect(token?.subarray(4)).toEqual(Buffer.from('\0kask\0secret'));
  });

  it.each(Object.entries(steps))('fails where the node hangs up at %s', async (_, opcode) => {
    for (const hangUp of [
      (by: Conversation) => by.cut(),
      (by: Conversation) => void by.socket.end(),
      (by: Conversation) => void by.socket.resetAndDestroy(),
    ]) {
      node.on(opcode, (_asked, by) => hangUp(by));
      expect(await refusal()).toMatchObject({ message: expect.any(String) as string });
    }
  });

  it.each(Object.entries(steps))('fails in time where the node says nothing to %s', async (_, opcode) => {
    options.connectTimeoutMs = 3 * SHORT_MS;
    node.on(opcode, () => false);
    expect(isTimeout(await refusal())).toBe(true);
    await eventually(() => Promise.resolve(expect(node.open).toBe(0)));
  });

  it.each(Object.entries(steps))('fails with the error that the node says to %s', async (_, opcode) => {
    node.on(opcode, (asked, by) => by.sayError(asked, 0x1002, 'starting'));
    expect(await refusal()).toMatchObject({ code: 0x1002, message: 'starting' });
    await eventually(() => Promise.resolve(expect(node.open).toBe(0)));
  });

  it.each(Object.entries(steps))('fails where %s is answered by something else', async (_, opcode) => {
    node.on(opcode, (asked, by) => by.say(asked, OPCODE.result, int(1)));
    expect(await refusal()).toBeInstanceOf(Error);
    await eventually(() => Promise.resolve(expect(node.open).toBe(0)));
  });

  it.each(Object.entries(steps))('fails where %s is answered by garbage', async (_, opcode) => {
    node.on(opcode, (_asked, by) => by.writeRaw(Buffer.from('\x15\x03\x03\0\x02\x02\x46 garbage')));
    expect(await refusal()).toBeInstanceOf(Error);
    await eventually(() => Promise.resolve(expect(node.open).toBe(0)));
  });

  it.each(Object.entries(steps))('ends at once when it is called off at %s', async (_, opcode) => {
    node.on(opcode, () => void closing.abort());
    expect(await refusal()).toBeInstanceOf(ConnectionLost);
    await eventually(() => Promise.resolve(expect(node.open).toBe(0)));
  });

  it('fails where nobody listens', async () => {
    await node.stop();
    expect(await refusal()).toMatchObject({ code: 'ECONNREFUSED' });
    node = await MisbehavingNode.start();
  });

  it('fails where more comes than was asked for, and leaves nothing behind', async () => {
    const intervals = jest.spyOn(globalThis, 'setInterval');
    node.on(OPCODE.startup, (asked, by) => {
      by.writeRaw(
        Buffer.concat([frame(asked.version, asked.stream, OPCODE.ready), Buffer.from('more than that')]),
      );
    });
    options.heartbeatMs = 54_321;
    expect(await refusal()).toBeInstanceOf(Error);
    expect(intervals.mock.calls.filter(([, ms]) => ms === 54_321)).toEqual([]);
    intervals.mockRestore();
  });

  it('fails with bad credentials', async () => {
    node.on(OPCODE.authResponse, (asked, by) => by.sayError(asked, 0x0100, 'wrong password'));
    expect(await refusal()).toEqual(new errors.AuthenticationError('wrong password'));
  });

  it('fails where a password is wanted and there is none', async () => {
    options.authentication = undefined;
    expect(await refusal()).toBeInstanceOf(errors.AuthenticationError);
  });

  describe('with challenges', () => {
    const asked: string[] = [];
    class Riddles implements auth.AuthProvider {
      newAuthenticator(): auth.Authenticator {
        return {
          initialResponse: (done: (error: Error | null, token?: Buffer) => void) =>
            done(null, Buffer.from('hello')),
          evaluateChallenge: (challenge: Buffer, done: (error: Error | null, token?: Buffer) => void) => {
            asked.push(challenge.toString());
            if (challenge.toString() === 'impossible') done(new Error('no idea'));
            else done(null, Buffer.from(`answer to ${challenge.toString()}`));
          },
        } as unknown as auth.Authenticator;
      }
    }

    beforeEach(() => {
      asked.length = 0;
      options.authentication = new Riddles();
    });

    it('answers them all', async () => {
      const riddles = ['first', 'second', 'third'];
      node.on(OPCODE.authResponse, (request, by) => {
        const riddle = riddles.shift();
        if (riddle)
          by.say(request, OPCODE.authChallenge, Buffer.concat([int(riddle.length), Buffer.from(riddle)]));
        else by.say(request, OPCODE.authSuccess, int(-1));
      });
      await openPrepared();
      expect(asked).toEqual(['first', 'second', 'third']);
    });

    it('fails where one cannot be answered', async () => {
      const riddle = Buffer.concat([int(10), Buffer.from('impossible')]);
      node.on(OPCODE.authResponse, (request, by) => by.say(request, OPCODE.authChallenge, riddle));
      expect(await refusal()).toEqual(new Error('no idea'));
      await eventually(() => Promise.resolve(expect(node.open).toBe(0)));
    });

    it('fails in time where they never end', async () => {
      options.connectTimeoutMs = 200;
      node.on(OPCODE.authResponse, (request, by) => by.say(request, OPCODE.authChallenge, int(-1)));
      expect(isTimeout(await refusal())).toBe(true);
      await eventually(() => Promise.resolve(expect(node.open).toBe(0)));
    });
  });

  it.each([
    [['3/v3', '4/v4'], 4],
    [['3/v3', '4/v4', '5/v5-beta'], 4],
    [['4/v4', '5/v5', '6/v6-beta'], 5],
    [['5/v5', '6/v6'], 5],
    [[], 4],
  ])('of a node that speaks %j is in version %i', async (versions, version) => {
    node.versions = versions;
    await open();
    expect(node.asked.find(({ opcode }) => opcode === OPCODE.startup)?.version).toBe(version);
  });

  it('fails with a node that speaks nothing but version 3', async () => {
    const refuse = (asked: Asked, by: Conversation): void =>
      by.say(
        { ...asked, version: 3 },
        OPCODE.error,
        Buffer.concat([int(0x0a), string('unsupported version')]),
      );
    node.on(OPCODE.options, refuse);
    expect(await refusal()).toBeInstanceOf(Error);
    node.versions = ['3/v3'];
    node.behave(OPCODE.options);
    node.on(OPCODE.startup, refuse);
    expect(await refusal()).toBeInstanceOf(Error);
  });
});

it('a node that accepts and never reads is given up in time', async () => {
  options.connectTimeoutMs = 3 * SHORT_MS;
  node.on(OPCODE.options, (_asked, by) => void by.socket.pause());
  await expect(open()).rejects.toBeInstanceOf(errors.OperationTimedOutError);
  await once(node.last.socket.resume(), 'close');
});
