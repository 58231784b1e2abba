import type { Histogram, MetricValueWithName, Registry } from 'prom-client';

/** Upper bounds of buckets, in seconds; dashboards of the service that this one succeeds use these. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/** What a histogram counts of one combination of labels. Incrementing costs no look-up by labels, unlike in prom-client. */
export class Tally {
  count = 0;
  sum = 0;
  /** The last one is for what is beyond the bounds. */
  readonly buckets: number[];

  constructor(readonly bounds: readonly number[] = SECONDS) {
    this.buckets = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(amount: number): void {
    const { bounds } = this;
    let bucket = 0;
    while (bucket < bounds.length && amount > (bounds[bucket] as number)) bucket++;
    (this.buckets[bucket] as number)++;
    this.sum += amount;
    this.count++;
  }
}

export interface LabelledTally {
  labels: Record<string, string>;
  tally: Tally;
}

/** Exposes tallies as a histogram. */
export function exposeHistogram(
  registry: Registry,
  name: string,
  help: string,
  tallies: () => Iterable<LabelledTally>,
): void {
  const get = () =>
    Promise.resolve({
      name,
      help,
      type: 'histogram',
      aggregator: 'sum',
      values: [...tallies()].flatMap((each) => samples(name, each)),
    });
  // The registry asks no more of a metric than this.
  registry.registerMetric({ name, get, reset: () => undefined } as unknown as Histogram);
}

function samples(name: string, { labels, tally }: LabelledTally): MetricValueWithName<string>[] {
  let below = 0;
  const buckets = tally.buckets.map((count, i) => {
    below += count;
    return {
      metricName: `${name}_bucket`,
      labels: { le: String(tally.bounds[i] ?? '+Inf'), ...labels },
      value: below,
    };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: tally.sum },
    { metricName: `${name}_count`, labels, value: tally.count },
  ];
}
