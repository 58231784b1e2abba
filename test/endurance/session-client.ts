import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Findings } from './findings.js';
import { KeyHistory, type State } from './key-history.js';
import type { Random } from './random.js';
import { type Answer, send } from './request.js';

export interface ClientOptions {
  name: string;
  /** The URL of a key. */
  url: (key: string) => string;
  keepsConnection: boolean;
  keys: number;
  valueBytes: { from: number; to: number };
  /** Between two requests, on average, in ms. */
  pauseMs: number;
  /** Within which every request has an end. */
  limitMs: number;
}

/** Besides success: what the contract has for a storage that is away, by the ends of their problem types. */
const STORAGE_AWAY = new Map([
  [503, 'unavailable'],
  [504, 'timeout'],
]);

/** One client with sessions of its own, which it reads, writes and deletes one after the other. */
export class SessionClient {
  private readonly agent: http.Agent;
  private readonly histories = new Map<string, KeyHistory>();
  private writes = 0;
  private isStopped = false;

  constructor(
    private readonly options: ClientOptions,
    private readonly random: Random,
    private readonly findings: Findings,
  ) {
    this.agent = new http.Agent({ keepAlive: options.keepsConnection, maxSockets: 1 });
    for (let i = 0; i < options.keys; i++) this.histories.set(`${options.name}:${i}`, new KeyHistory());
  }

  async run(): Promise<void> {
    while (!this.isStopped) {
      await this.act(this.random.oneOf([...this.histories.keys()]));
      await sleep(this.random.next() * 2 * this.options.pauseMs);
    }
  }

  /** `run` resolves once the request that is under way has ended. */
  stop(): void {
    this.isStopped = true;
  }

  /** Every key once more: what was acknowledged has to be there. */
  async readAll(): Promise<void> {
    for (const key of this.histories.keys()) await this.get(key);
    this.agent.destroy();
  }

  private act(key: string): Promise<void> {
    const choice = this.random.next();
    if (choice < 0.6) return this.get(key);
    return choice < 0.9 ? this.put(key) : this.delete(key);
  }

  private async get(key: string): Promise<void> {
    const answer = await this.ask('GET', key, [200, 404]);
    if (answer.status === 200) this.saw(key, this.numberOf(key, answer.body));
    if (answer.status === 404) this.saw(key, undefined);
  }

  private async put(key: string): Promise<void> {
    const number = ++this.writes;
    const { from, to } = this.options.valueBytes;
    const { status } = await this.ask('PUT', key, [201], valueOf(key, number, this.random.between(from, to)));
    this.historyOf(key).wrote(number, status === 201);
  }

  private async delete(key: string): Promise<void> {
    const { status } = await this.ask('DELETE', key, [204]);
    this.historyOf(key).wrote(undefined, status === 204);
  }

  private saw(key: string, state: State): void {
    const history = this.historyOf(key);
    const before = String(history);
    if (!history.saw(state))
      this.findings.violation(`${key}: found ${state ?? 'nothing'} where there should be ${before}`);
  }

  /** Of the value that was read; -1 if it is none of this key's. */
  private numberOf(key: string, value: Buffer): number {
    const [, owner, number] = /^(\S+) (\d+)\n/.exec(value.toString('latin1', 0, 100)) ?? [];
    if (owner === key && value.equals(valueOf(key, Number(number), value.length))) return Number(number);
    this.findings.violation(
      `${key}: the value of somebody else, or broken: ${value.toString('latin1', 0, 60)}`,
    );
    return -1;
  }

  private async ask(method: string, key: string, expected: number[], body?: Buffer): Promise<Answer> {
    const awayBefore = this.findings.nodesAway;
    const answer = await send(method, this.options.url(key), this.agent, body);
    this.findings.count(Math.max(awayBefore, this.findings.nodesAway), method, answer);
    for (const wrong of this.faultsOf(answer, expected))
      this.findings.violation(`${method} ${key}: ${wrong} after ${Math.round(answer.ms)} ms`);
    return answer;
  }

  private *faultsOf({ status, headers, body, ms, error }: Answer, expected: number[]): Iterable<string> {
    const problem = STORAGE_AWAY.get(status);
    if (error) yield error.message;
    else if (problem ? !body.includes(`/errors/${problem}"`) : !expected.includes(status))
      yield `answered ${status} with ${body.length} bytes`;
    if (status === 503 && headers['retry-after'] === undefined) yield '503 without Retry-After';
    if (ms > this.options.limitMs) yield 'ended too late';
  }

  private historyOf(key: string): KeyHistory {
    return this.histories.get(key) as KeyHistory;
  }
}

/** Names its key in every line. */
function valueOf(key: string, number: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, `${key} ${number}\n`);
}
