import { Agent } from 'node:http';
import { type Answer, send } from '../endurance/request.js';
import { eventually } from '../harness/cassandra/poll.js';
import { metric } from '../harness/metrics.js';
import { type Datacenter, DATACENTERS, DELETE_PENDING, failureOf, type Method } from './asked.js';
import type { Stage } from './stage.js';

const STAYS = 'enwiki:MWSession:stays';
/** From when the other datacenter is well again, in ms. */
const DELETED_MS = 60_000;

/** Sessions that are deleted in eqiad while codfw cannot hear of it. */
export class Logouts {
  private readonly agent = new Agent({ keepAlive: true });
  private readonly deleted: string[] = [];

  constructor(private readonly stage: Stage) {}

  /** Users log in, and both datacenters know. */
  async logIn(users: string[]): Promise<void> {
    for (const key of [...users, STAYS]) {
      await this.ask('POST', 'eqiad', key);
      await this.until('codfw', key, 200);
    }
  }

  /** It has to take effect in eqiad at once, and may not be called done. */
  async logOut(key: string): Promise<void> {
    const answer = await this.ask('DELETE', 'eqiad', key);
    this.deleted.push(key);
    const seen = answer.status === 204 ? 'DELETE 204' : failureOf('DELETE', answer);
    this.expect(seen === DELETE_PENDING, `${seen} while the other datacenter was away`);
    const { status } = await this.ask('GET', 'eqiad', key);
    this.expect(status === 404, `GET ${status} in eqiad of a session deleted there (${seen})`);
  }

  /** Nobody is logged in any more in either datacenter, except who did not log out. */
  async verify(): Promise<void> {
    const checks = DATACENTERS.flatMap((datacenter) => [
      ...this.deleted.map((key) => this.until(datacenter, key, 404)),
      this.until(datacenter, STAYS, 200),
    ]);
    for (const check of await Promise.allSettled([...checks, this.untilNonePends()]))
      if (check.status === 'rejected')
        this.expect(false, `after all was well again: ${(check.reason as Error).message}`);
  }

  private async until(datacenter: Datacenter, key: string, expected: number): Promise<void> {
    await eventually(async () => {
      const { status } = await this.ask('GET', datacenter, key);
      if (status !== expected)
        throw new Error(`GET ${key} in ${datacenter} is ${status} and not ${expected}`);
    }, DELETED_MS);
  }

  private async untilNonePends(): Promise<void> {
    const [kask] = this.stage.services.eqiad.processes;
    await eventually(async () => {
      const pending = kask && (await metric(kask, 'kask_pending_deletes'));
      if (pending !== 0) throw new Error(`${pending} deletes pend`);
    }, DELETED_MS);
  }

  private ask(method: Method, datacenter: Datacenter, key: string): Promise<Answer> {
    const body = method === 'POST' ? Buffer.from('a session') : undefined;
    return send(method, this.stage.services[datacenter].next().url(key), this.agent, body);
  }

  private expect(isSo: boolean, otherwise: string): void {
    if (!isSo) this.stage.findings.violation(otherwise);
  }
}
