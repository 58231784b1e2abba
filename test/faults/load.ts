import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../endurance/random.js';
import { type Answer, send } from '../endurance/request.js';
import { type Asked, type Datacenter, failureOf, type Method } from './asked.js';
import type { Services } from './services.js';

/** What production is asked: shares of all requests. */
const GETS = 0.75;
const POSTS = 0.24;
/** Of the reads, for sessions that never were. */
const MISSES = 0.03;
/** Of the writes; the others are of sessions that are there. */
const NEW_SESSIONS = 0.1;
const VALUE = Buffer.alloc(2_000, 'session ');
/** MediaWiki's client gives up then, in ms. */
const PATIENCE_MS = 3_000;
const FIRST_SESSIONS = 200;
/** Fewer are left alone: while writes are refused, deletes would take the last. */
const FEW_SESSIONS = 50;
/** As a proxy beside the clients has it. */
const MOST_CONNECTIONS = 1_024;
const TICK_MS = 2;

/** Clients in one datacenter who begin requests at a fixed rate, however long the answers take. */
export class Load {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: MOST_CONNECTIONS });
  /** Acknowledged and not deleted, oldest first. */
  private readonly sessions: string[] = [];
  private static loads = 0;
  private readonly name = `${Load.loads++}x`;
  private written = 0;
  private underWay = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly datacenter: Datacenter,
    private readonly services: Services,
    private readonly random: Random,
    private readonly asked: Asked[],
  ) {}

  async start(perSecond: number): Promise<void> {
    for (let i = 0; i < FIRST_SESSIONS; i++) await this.post(this.newKey());
    const began = performance.now();
    let begun = 0;
    this.timer = setInterval(() => {
      for (const due = ((performance.now() - began) * perSecond) / 1_000; begun < due; begun++)
        void this.next();
    }, TICK_MS);
  }

  /** Resolves when what was begun has ended. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    while (this.underWay > 0) await sleep(50);
    this.agent.destroy();
  }

  private async next(): Promise<void> {
    const draw = this.random.next();
    if (draw < GETS) await (this.random.chance(MISSES) ? this.miss() : this.get());
    else if (draw < GETS + POSTS)
      await this.post(this.random.chance(NEW_SESSIONS) ? this.newKey() : this.known());
    else if (this.sessions.length > FEW_SESSIONS) await this.delete();
  }

  private async get(): Promise<void> {
    const key = this.known();
    // It may have been deleted meanwhile.
    await this.ask(
      'GET',
      key,
      ({ status }) => status === 200 || (status === 404 && !this.sessions.includes(key)),
    );
  }

  private async miss(): Promise<void> {
    await this.ask('GET', `enwiki:MWSession:missing${this.random.next()}`, ({ status }) => status === 404);
  }

  private async post(key: string): Promise<void> {
    const isNew = !this.sessions.includes(key);
    const { status } = await this.ask('POST', key, (answer) => answer.status === 201, VALUE);
    if (isNew && status === 201) this.sessions.push(key);
  }

  private async delete(): Promise<void> {
    await this.ask('DELETE', this.sessions.shift() as string, ({ status }) => status === 204);
  }

  private async ask(
    method: Method,
    key: string,
    isWell: (answer: Answer) => boolean,
    body?: Buffer,
  ): Promise<Answer> {
    const at = performance.now();
    this.underWay++;
    const answer = await send(method, this.services.next().url(key), this.agent, body, PATIENCE_MS);
    this.underWay--;
    const failure = isWell(answer) ? undefined : failureOf(method, answer);
    this.asked.push({
      at,
      ms: answer.ms,
      datacenter: this.datacenter,
      method,
      status: answer.status,
      failure,
    });
    return answer;
  }

  private known(): string {
    return this.random.oneOf(this.sessions);
  }

  private newKey(): string {
    return `enwiki:MWSession:${this.name}${this.written++}`;
  }
}
