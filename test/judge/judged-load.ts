import { randomBytes } from 'node:crypto';
import { Findings } from '../endurance/findings.js';
import { Random } from '../endurance/random.js';
import { SessionClient } from '../endurance/session-client.js';
import { type Circumstances, History } from './history.js';
import { SessionKeys } from './session-keys.js';

/** Beside the time for the storage, all that the rest of a request may take, in ms. */
const GRACE_MS = 1_000;

export interface JudgedService {
  datacenter: string;
  /** The URL of a key. */
  url: (key: string) => string;
}

export interface LoadOptions {
  clientsPerService: number;
  /** Between two requests of a client, on average, in ms. */
  pauseMs: number;
  requestTimeoutMs: number;
  /** The services may end at any moment. */
  mayBreak?: boolean;
}

/** Clients of one service or of several, who share sessions; what they saw is there to be judged. */
export class JudgedLoad {
  readonly history: History;
  /** Answers that no service should give, whatever is stored. */
  readonly findings = new Findings();
  private readonly clients: { datacenter: string; client: SessionClient }[];
  private running: Promise<void>[] = [];

  constructor(services: readonly JudgedService[], circumstances: Circumstances, options: LoadOptions) {
    const { seed, ttlMs } = circumstances;
    this.history = new History(circumstances);
    const keys = new SessionKeys(`judged:${randomBytes(4).toString('hex')}`, ttlMs);
    this.clients = services.flatMap((service, s) =>
      Array.from({ length: options.clientsPerService }, (_, i) => {
        const all = {
          ...service,
          name: `${service.datacenter}${i}`,
          keepsConnection: i % 4 > 0,
          drawKey: (random: Random) => keys.draw(random),
          valueBytes: { from: 100, to: 4_000 },
          pauseMs: options.pauseMs,
          limitMs: options.requestTimeoutMs + GRACE_MS,
          mayBreak: options.mayBreak,
        };
        const random = new Random(seed + 1 + s * options.clientsPerService + i);
        const client = new SessionClient(all, random, this.findings, this.history);
        return { datacenter: service.datacenter, client };
      }),
    );
  }

  start(): void {
    this.running = this.clients.map(({ client }) => client.run());
  }

  /** Resolves once no request is under way. */
  async stop(): Promise<void> {
    for (const { client } of this.clients) client.stop();
    await Promise.all(this.running);
  }

  /** Every session once more in every datacenter. */
  async readAll(): Promise<void> {
    const keys = this.history.keys();
    const datacenters = new Set(this.clients.map(({ datacenter }) => datacenter));
    for (const each of datacenters) await this.readAllIn(each, keys);
  }

  private async readAllIn(datacenter: string, keys: readonly string[]): Promise<void> {
    const clients = this.clients.filter((each) => each.datacenter === datacenter);
    await Promise.all(
      clients.map(({ client }, i) => client.readAll(keys.filter((_, at) => at % clients.length === i))),
    );
  }
}
