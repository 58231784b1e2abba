import { type Asked, type Datacenter, DATACENTERS } from './asked.js';

/** When what happened, in ms of `performance.now()`. */
export interface Moments {
  began: number;
  /** The cause is there. */
  cause: number;
  /** It begins to go: nodes start, say. */
  mending: number;
  /** It is gone. */
  gone: number;
  ended: number;
}

/** In ms. */
export interface Latency {
  p50: number;
  p99: number;
  max: number;
}

/** What the clients of one datacenter saw. */
export class Seen {
  readonly before: Latency;
  readonly during: Latency;
  readonly after: Latency;
  readonly failed: Asked[];

  constructor(
    readonly asked: readonly Asked[],
    private readonly moments: Moments,
  ) {
    const { began, cause, mending, ended } = moments;
    this.before = this.latency(began, cause);
    this.during = this.latency(cause, mending);
    this.after = this.latency(mending, ended);
    this.failed = asked.filter(({ failure }) => failure !== undefined);
  }

  /** `GET 503 unavailable` and how often. */
  get failures(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { failure = '' } of this.failed) counts.set(failure, (counts.get(failure) ?? 0) + 1);
    return counts;
  }

  /** From the moment the cause is gone until nothing failed any more. */
  get secondsToRecover(): number {
    const last = Math.max(...this.failed.map(({ at, ms }) => at + ms), this.moments.gone);
    return (last - this.moments.gone) / 1_000;
  }

  private latency(from: number, to: number): Latency {
    const sorted = this.asked.filter(({ at }) => at >= from && at < to).map(({ ms }) => ms);
    sorted.sort((a, b) => a - b);
    const quantile = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
    return { p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) };
  }
}

/** Of one scenario. */
export class Outcome {
  readonly seen: Record<Datacenter, Seen>;

  constructor(
    readonly title: string,
    asked: readonly Asked[],
    moments: Moments,
    /** What should not have happened. */
    readonly wrong: string[] = [],
    /** What the services then complained of. */
    readonly said: string[] = [],
  ) {
    const within = asked.filter(({ at }) => at >= moments.began && at < moments.ended);
    const seenBy = (name: Datacenter) =>
      new Seen(
        within.filter(({ datacenter }) => datacenter === name),
        moments,
      );
    this.seen = { eqiad: seenBy('eqiad'), codfw: seenBy('codfw') };
  }

  get everyone(): [Datacenter, Seen][] {
    return DATACENTERS.map((datacenter) => [datacenter, this.seen[datacenter]]);
  }
}
