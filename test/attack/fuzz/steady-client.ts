import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { PLANTED } from './odd-text.js';
import type { Target } from '../target.js';

const PAUSE_MS = 5;

/** Does what it may, one request after the other, while somebody else attacks: nothing of it may fail. */
export class SteadyClient {
  readonly latencies: number[] = [];
  readonly failures: string[] = [];
  private readonly agent: http.Agent;
  private isStopped = false;
  private readonly running: Promise<void>;

  constructor(readonly target: Target) {
    const options = { keepAlive: true, maxSockets: 1, ca: target.ca };
    this.agent = target.ca ? new https.Agent(options) : new http.Agent(options);
    this.running = this.run();
  }

  /** Resolves with what failed. */
  async stop(): Promise<string[]> {
    this.isStopped = true;
    await this.running;
    this.agent.destroy();
    return this.failures;
  }

  private async run(): Promise<void> {
    for (let turn = 0; !this.isStopped; turn++) {
      const path = `/sessions/v1/${PLANTED}%3Asteady%3A${turn}`;
      const value = Buffer.from(`value ${turn}`);
      await this.ask('PUT', path, 201, value);
      await this.ask('GET', path, 200, undefined, value);
      await this.ask('DELETE', path, 204);
      await this.ask('GET', path, 404);
      await sleep(PAUSE_MS);
    }
  }

  private async ask(
    method: string,
    path: string,
    expected: number,
    body?: Buffer,
    value?: Buffer,
  ): Promise<void> {
    const answer = await this.target.send(method, path, body, this.agent);
    this.latencies.push(answer.ms);
    const told = answer.error?.message ?? String(answer.status);
    if (answer.status !== expected)
      this.failures.push(`${method} was answered ${told} in place of ${expected}`);
    else if (value && !answer.body.equals(value)) this.failures.push(`${method} gave another value`);
  }
}
