import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../endurance/random.js';
import { type Answer, send } from '../endurance/request.js';
import type { JudgedService } from './judged-load.js';
import { type RegisterCall, type RegisterOperation, unexplained } from './register.js';

/** Settings of the service that is judged. */
export const REGISTERS = { registers: { keys: ['register:*'], atomic: true } };

const CLIENTS_PER_SERVICE = 4;
const KEYS = 2;
/** Then the next keys are used: what happened to one is few enough to be judged whole. */
const LIFE_MS = 4_000;
const TTL = { 'kask-ttl': '3600' };
const OPERATIONS: readonly RegisterOperation[] = [
  ...(['get', 'get', 'get', 'create', 'create', 'swap', 'swap', 'swap'] as const),
  ...(['touch', 'put', 'remove'] as const),
];
const METHODS: Record<RegisterOperation, string> = {
  create: 'PUT',
  swap: 'PUT',
  put: 'PUT',
  remove: 'DELETE',
  touch: 'PATCH',
  get: 'GET',
};

/** Clients of one service or of several, who change the same sessions by conditional writes, beside those of JudgedLoad. */
export class RegisterLoad {
  readonly calls: RegisterCall[] = [];
  /** Answers that no service should give. */
  readonly wrong: string[] = [];
  private readonly name = `register:${randomBytes(4).toString('hex')}`;
  private readonly began = performance.now();
  /** Of each value, by its number, as the service has told it. */
  private readonly tags = new Map<number, string>();
  private running: Promise<void>[] = [];
  private isStopped = false;
  private values = 0;

  constructor(
    private readonly services: readonly JudgedService[],
    private readonly options: { seed: number; pauseMs: number },
  ) {}

  start(): void {
    const { seed } = this.options;
    this.running = this.services.flatMap((service, s) =>
      Array.from({ length: CLIENTS_PER_SERVICE }, (_, i) =>
        this.client(service, `${service.datacenter}${i}`, new Random(seed + 1_000 * (s + 1) + i)),
      ),
    );
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all(this.running);
  }

  /** What was asked, and all that no order of it explains. */
  report(): { lines: string[]; violations: number } {
    const keys = [...groups(this.calls, ({ key }) => key).values()];
    const violations = keys.flatMap((calls) => unexplained(calls) ?? []);
    const outcomes = [...groups(this.calls, ({ operation, outcome }) => `${operation} ${outcome}`)];
    const counts = outcomes.map(([name, { length }]) => `${length} ${name}`).sort();
    return {
      lines: [
        `conditional writes of ${keys.length} sessions: ${counts.join(', ')}`,
        `without an explanation: ${violations.length} calls`,
        ...violations.map((call) => `    ${JSON.stringify(call)}`),
        ...this.wrong,
      ],
      violations: violations.length + this.wrong.length,
    };
  }

  private async client(service: JudgedService, name: string, random: Random): Promise<void> {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    /** What it has seen last. */
    let seen: number | undefined;
    let lastKey = '';
    while (!this.isStopped) {
      const life = Math.floor((performance.now() - this.began) / LIFE_MS);
      const key = `${this.name}:${life}:${random.between(0, KEYS - 1)}`;
      if (key !== lastKey) seen = undefined;
      lastKey = key;
      const operation = OPERATIONS[random.between(0, OPERATIONS.length - 1)] as RegisterOperation;
      const expected =
        operation === 'swap' || (['touch', 'remove'].includes(operation) && random.chance(0.5))
          ? seen
          : undefined;
      if (operation !== 'swap' || expected !== undefined)
        seen = await this.ask(service, name, agent, key, operation, expected);
      await sleep(random.next() * 2 * this.options.pauseMs);
    }
    agent.destroy();
  }

  /** Resolves with what is known to be there. */
  private async ask(
    service: JudgedService,
    client: string,
    agent: http.Agent,
    key: string,
    operation: RegisterOperation,
    expected: number | undefined,
  ): Promise<number | undefined> {
    const value = METHODS[operation] === 'PUT' ? ++this.values : undefined;
    const body = value === undefined ? undefined : Buffer.from(String(value));
    const headers = { ...TTL, ...conditionOf(operation, expected, this.tags) };
    const start = performance.now();
    const answer = await send(METHODS[operation], service.url(key), agent, body, undefined, headers);
    // Nobody heard of it.
    if (answer.error && 'code' in answer.error && answer.error.code === 'ECONNREFUSED') return undefined;
    const found = operation === 'get' && answer.status === 200 ? Number(answer.body.toString()) : undefined;
    const outcome = outcomeOf(operation, answer);
    const call = { key, client, operation, value, expected, found, outcome, start, end: performance.now() };
    if (operation !== 'get' || outcome === 'met') this.calls.push(call);
    const there = outcome === 'met' ? (found ?? value) : undefined;
    if (there !== undefined) this.tags.set(there, String(answer.headers.etag));
    if (![0, 200, 201, 204, 404, 412, 503, 504].includes(answer.status))
      this.wrong.push(`${operation} ${key} was answered with ${answer.status}`);
    return there;
  }
}

function conditionOf(
  operation: RegisterOperation,
  expected: number | undefined,
  tags: ReadonlyMap<number, string>,
): Record<string, string> {
  if (operation === 'create') return { 'if-none-match': '*' };
  return expected === undefined ? {} : { 'if-match': tags.get(expected) as string };
}

function outcomeOf(operation: RegisterOperation, { status }: Answer): RegisterCall['outcome'] {
  if (status === 412 || (status === 404 && operation === 'touch')) return 'unmet';
  if (status === 404 || (status >= 200 && status < 300)) return 'met';
  return status === 503 ? 'refused' : 'unknown';
}

function groups(
  calls: readonly RegisterCall[],
  nameOf: (call: RegisterCall) => string,
): Map<string, RegisterCall[]> {
  const found = new Map<string, RegisterCall[]>();
  for (const call of calls) found.set(nameOf(call), [...(found.get(nameOf(call)) ?? []), call]);
  return found;
}
