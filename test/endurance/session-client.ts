import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Call, History } from '../judge/history.js';
import type { Findings } from './findings.js';
import type { Random } from './random.js';
import { type Answer, send } from './request.js';

export interface ClientOptions {
  name: string;
  /** Of the service that it asks. */
  datacenter: string;
  /** The URL of a key. */
  url: (key: string) => string;
  keepsConnection: boolean;
  /** Whose turn it is. */
  drawKey: (random: Random) => DrawnKey;
  valueBytes: { from: number; to: number };
  /** Between two requests, on average, in ms. */
  pauseMs: number;
  /** Within which every request has an end. */
  limitMs: number;
  /** The service may end at any moment. */
  mayBreak?: boolean;
}

export interface DrawnKey {
  key: string;
  isOnlyRead?: boolean;
}

/** Besides success: what the contract has for a storage that is away, by the ends of their problem types. */
const STORAGE_AWAY = new Map([
  [503, /\/errors\/(unavailable|delete_pending)"/],
  [504, /\/errors\/timeout"/],
]);

/** One client that reads, writes and deletes sessions, one after the other, and has all of it recorded. */
export class SessionClient {
  private readonly agent: http.Agent;
  private isStopped = false;

  constructor(
    private readonly options: ClientOptions,
    private readonly random: Random,
    private readonly findings: Findings,
    private readonly history: History,
  ) {
    this.agent = new http.Agent({ keepAlive: options.keepsConnection, maxSockets: 1 });
  }

  async run(): Promise<void> {
    while (!this.isStopped) {
      await this.act(this.options.drawKey(this.random));
      await sleep(this.random.next() * 2 * this.options.pauseMs);
    }
  }

  /** `run` resolves once the request that is under way has ended. */
  stop(): void {
    this.isStopped = true;
  }

  /** Once more: what was acknowledged has to be there. */
  async readAll(keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.get(key);
    this.agent.destroy();
  }

  private act({ key, isOnlyRead }: DrawnKey): Promise<void> {
    const choice = this.random.next();
    if (isOnlyRead || choice < 0.6) return this.get(key);
    return choice < 0.9 ? this.put(key) : this.delete(key);
  }

  private async get(key: string): Promise<void> {
    await this.ask('GET', key, [200, 404]);
  }

  private async put(key: string): Promise<void> {
    const value = this.history.nextValue();
    const { from, to } = this.options.valueBytes;
    await this.ask('PUT', key, [201], { value, body: valueOf(key, value, this.random.between(from, to)) });
  }

  private async delete(key: string): Promise<void> {
    await this.ask('DELETE', key, [204]);
  }

  private async ask(
    operation: Call['operation'],
    key: string,
    expected: number[],
    written?: { value: number; body: Buffer },
  ): Promise<void> {
    const { url, name: client, datacenter } = this.options;
    const awayBefore = this.findings.nodesAway;
    const start = performance.now();
    const answer = await send(operation, url(key), this.agent, written?.body);
    const { status, error } = answer;
    // Nobody heard of it.
    if (this.options.mayBreak && error && 'code' in error && error.code === 'ECONNREFUSED') return;
    const of = status === 200 ? foundIn(key, answer.body) : { value: written?.value };
    this.history.record({ client, datacenter, operation, key, ...of, start, status });
    this.findings.count(Math.max(awayBefore, this.findings.nodesAway), operation, answer);
    for (const wrong of this.faultsOf(answer, expected))
      this.findings.violation(`${operation} ${key}: ${wrong} after ${Math.round(answer.ms)} ms`);
  }

  private *faultsOf({ status, headers, body, ms, error }: Answer, expected: number[]): Iterable<string> {
    const problem = STORAGE_AWAY.get(status);
    if (error && !this.options.mayBreak) yield error.message;
    if (!error && !(problem?.test(body.toString('latin1')) ?? expected.includes(status)))
      yield `answered ${status} with ${body.length} bytes`;
    if (status === 503 && headers['retry-after'] === undefined) yield '503 without Retry-After';
    if (ms > this.options.limitMs) yield 'ended too late';
  }
}

/** The number of the value that was read; how it begins, if it is none of this key's, or not whole. */
function foundIn(key: string, value: Buffer): Pick<Call, 'value' | 'broken'> {
  const [, owner, number] = /^(\S+) (\d+) \d+\n/.exec(value.toString('latin1', 0, 100)) ?? [];
  if (owner === key && value.equals(valueOf(key, Number(number), value.length)))
    return { value: Number(number) };
  return { broken: value.toString('latin1', 0, 60) };
}

/** Names its key and its size in every line. */
function valueOf(key: string, number: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, `${key} ${number} ${bytes}\n`);
}
