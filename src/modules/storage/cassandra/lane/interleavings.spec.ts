import {
  type Asked,
  type Conversation,
  frame,
  int,
  MisbehavingNode,
  OPCODE,
  rowsOf,
  string,
} from '../../../../../test/harness/cassandra/misbehaving-node.js';
import { RecordedAttempt } from '../../../../../test/harness/cassandra/recorded-attempt.js';
import { sessionStatements } from '../statements.js';
import { LaneConnection, type NodeOptions } from './lane-connection.js';
import { TimerWheel } from './timer-wheel.js';

const ROUNDS = 12;
const STEPS = 250;
const LONG_MS = 20_000;
const UNPREPARED = 0x2500;
const ERRORS = [0x0000, 0x1000, 0x1001, 0x1100, 0x1200, 0x2200];

/** The same numbers for the same seed: a failure names its seed, and comes again with it (mulberry32). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

interface Sent {
  key: string;
  attempt: RecordedAttempt;
}

interface Held {
  asked: Asked;
  conversation: Conversation;
}

/** Sends, and a node that answers, in any order, late, wrongly, or not at all. */
class Interleaving {
  readonly sent: Sent[] = [];
  private held: Held[] = [];
  private connection!: LaneConnection;

  constructor(
    node: MisbehavingNode,
    private readonly options: NodeOptions,
    private readonly random: (below: number) => number,
  ) {
    node.on(OPCODE.execute, (asked, conversation) => void this.held.push({ asked, conversation }));
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      if (!this.connection?.isOpen)
        this.connection = await LaneConnection.open(this.options, new AbortController().signal);
      await this.step();
    }
    this.connection.close();
    await Promise.all(this.sent.map(({ attempt }) => attempt.ended));
    for (const { conversation } of this.held) conversation.cut();
    for (let i = 0; i < 10; i++) await turn();
  }

  private async step(): Promise<void> {
    const what = this.random(100);
    if (what < 40) this.send(1 + this.random(8), LONG_MS);
    else if (what < 46) this.send(1 + this.random(3), this.random(15) - 2);
    else if (what < 75) this.answer(1 + this.random(8));
    else if (what < 80) this.refuse(ERRORS[this.random(ERRORS.length)] as number);
    else if (what < 85) this.refuse(UNPREPARED);
    else if (what < 86) this.pick()?.conversation.cut();
    else if (what < 87) this.connection.close();
    else if (what < 88) this.babble();
    else if (what < 95) await turn();
    else await new Promise((resolve) => setTimeout(resolve, this.random(12)));
    if (this.random(3) > 0) await turn();
  }

  private send(count: number, ms: number): void {
    for (let i = 0; i < count; i++) {
      const key = `key ${this.sent.length} of ${this.random(1_000_000)}`;
      const attempt = new RecordedAttempt();
      this.sent.push({ key, attempt });
      const execution = { statement: 'get' as const, key: Buffer.from(key), timestamp: this.sent.length };
      this.connection.execute(execution, performance.now() + ms, attempt);
    }
  }

  /** Several in one chunk, which is cut in two anywhere. */
  private answer(count: number): void {
    const first = this.pick();
    if (!first) return;
    const { conversation } = first;
    const frames: Buffer[] = [];
    for (let held: Held | undefined = first; held && frames.length < count; held = this.pick(conversation))
      frames.push(answerTo(held.asked));
    const bytes = conversation.wrap(...frames);
    const cut = this.random(bytes.length);
    conversation.writeRaw(bytes.subarray(0, cut));
    conversation.writeRaw(bytes.subarray(cut));
  }

  private refuse(code: number): void {
    const held = this.pick();
    held?.conversation.write(
      frame(held.asked.version, held.asked.stream, OPCODE.error, Buffer.concat([int(code), string('no')])),
    );
  }

  private babble(): void {
    const conversation = this.pick()?.conversation;
    conversation?.writeRaw(Buffer.from(Array.from({ length: 30 }, () => this.random(256))));
  }

  private pick(of?: Conversation): Held | undefined {
    this.held = this.held.filter(({ conversation }) => conversation.isOpen);
    const some = of ? this.held.filter(({ conversation }) => conversation === of) : this.held;
    const held = some[this.random(some.length)];
    if (held) this.held.splice(this.held.indexOf(held), 1);
    return held;
  }
}

/** One of three keys has no row, the others a value that tells whose it is, some of them in several segments. */
function answerTo({ version, stream, execution }: Asked): Buffer {
  return frame(version, stream, OPCODE.result, rowsOf(valueOf(execution?.key as string)));
}

function valueOf(key: string): Buffer | undefined {
  const number = Number(key.split(' ')[1]);
  if (number % 3 === 0) return undefined;
  return Buffer.from(key.repeat(number % 20 === 1 ? 20_000 : 1));
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe.each([4, 5])('whatever happens on a connection of version %i', (version) => {
  it.each(Array.from({ length: ROUNDS }, (_, i) => i + 1))(
    'every request ends once, and with its own value (seed %i)',
    async (seed) => {
      const node = await MisbehavingNode.start();
      try {
        node.versions = [`${version}/v${version}`];
        const interleaving = new Interleaving(node, optionsFor(node), generator(seed * 1_000 + version));
        await interleaving.run();
        expect(interleaving.sent.length).toBeGreaterThan(100);
        for (const { key, attempt } of interleaving.sent) {
          expect(attempt.ends).toHaveLength(1);
          if (!attempt.error) expect(String(await attempt.value())).toBe(String(valueOf(key)));
        }
        expect(interleaving.sent.some(({ attempt }) => !attempt.error)).toBe(true);
      } finally {
        await node.stop();
      }
    },
  );
});

function optionsFor({ port }: MisbehavingNode): NodeOptions {
  return {
    address: `127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    tls: undefined,
    authentication: undefined,
    connectTimeoutMs: LONG_MS,
    heartbeatMs: LONG_MS,
    statements: sessionStatements('sessions', 'values'),
    wheel: new TimerWheel(5),
  };
}
