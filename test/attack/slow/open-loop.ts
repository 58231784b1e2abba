import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../../endurance/request.js';
import { quantile } from '../latency.js';
import type { Target } from '../target.js';

const PER_SECOND = 100;
const TICK_MS = 2;
const KEYS = 100;
const VALUE = Buffer.alloc(2_000, 'session ');
const WRITES = 4;
/** Clients of PHP open a connection for each request, unless a proxy keeps them. */
const FRESH = 5;

interface Asked {
  /** Of `performance.now()`, in ms. */
  at: number;
  ms: number;
  failure?: string;
}

export interface Seen {
  requests: number;
  /** In ms. */
  p50: number;
  p99: number;
  max: number;
  failures: string[];
}

/** Clients who begin requests at a fixed rate, however long answers take: every fourth writes, every fifth has to connect. */
export class OpenLoop {
  private readonly kept: http.Agent;
  private readonly fresh: http.Agent;
  private readonly asked: Asked[] = [];
  private underWay = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly target: Target) {
    const { ca } = target;
    const make = (keepAlive: boolean): http.Agent =>
      ca ? new https.Agent({ keepAlive, ca }) : new http.Agent({ keepAlive });
    this.kept = make(true);
    this.fresh = make(false);
  }

  async start(): Promise<void> {
    for (let i = 0; i < KEYS; i++) await this.ask(0, i);
    this.asked.length = 0;
    const began = performance.now();
    let begun = 0;
    this.timer = setInterval(() => {
      for (const due = ((performance.now() - began) * PER_SECOND) / 1_000; begun < due; begun++)
        void this.ask(begun);
    }, TICK_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    while (this.underWay > 0) await sleep(20);
    this.kept.destroy();
  }

  between(from: number, to: number): Seen {
    const within = this.asked.filter(({ at }) => at >= from && at < to);
    const latencies = within.map(({ ms }) => ms);
    const [p50, p99, max] = [0.5, 0.99, 1].map((share) => quantile(latencies, share)) as [
      number,
      number,
      number,
    ];
    return {
      requests: within.length,
      p50,
      p99,
      max,
      failures: within.flatMap(({ failure }) => failure ?? []),
    };
  }

  private async ask(turn: number, key = turn % KEYS): Promise<void> {
    const at = performance.now();
    this.underWay++;
    const isWrite = turn % WRITES === 0;
    const answer = await this.target.send(
      isWrite ? 'POST' : 'GET',
      `/sessions/v1/others%3A${key}`,
      isWrite ? VALUE : undefined,
      turn % FRESH === 0 ? this.fresh : this.kept,
    );
    this.underWay--;
    this.asked.push({ at, ms: answer.ms, failure: failureOf(answer, isWrite ? 201 : 200) });
  }
}

function failureOf({ status, error }: Answer, expected: number): string | undefined {
  return status === expected ? undefined : (error?.message ?? String(status));
}
