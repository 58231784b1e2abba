import { Injectable } from '@nestjs/common';
import { OTHER } from '../../config/namespaces.js';
import { type NamespaceSettings, Settings } from '../../config/settings.js';
import { Problem } from '../../problems/problem.js';
import { Metrics } from '../metrics/metrics.js';
import { Tally } from '../metrics/tallies.js';
import type { Session } from '../storage/session-store.js';
import { KeyPattern } from './key-pattern.js';
import { RecentWrites } from './recent-writes.js';
import { WriteBudget } from './write-budget.js';

/** Upper bounds of buckets, in bytes. */
const BYTES = [256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304];

/** A kind of sessions, by their keys, and what is counted of it. */
export class Namespace {
  readonly operations = {
    get: { ok: 0, miss: 0, error: 0 },
    set: { ok: 0, unmet: 0, error: 0, over_budget: 0 },
    touch: { ok: 0, miss: 0, unmet: 0, error: 0 },
    delete: { ok: 0, unmet: 0, error: 0 },
  };
  readonly compared = { changed: 0, unchanged: 0 };
  readonly bytes = { read: new Tally(BYTES), written: new Tally(BYTES) };
  readonly budget: WriteBudget | undefined;
  /** Whether every write of its sessions is a conditional one. */
  readonly isAtomic: boolean;
  private readonly patterns: readonly KeyPattern[];

  constructor(
    readonly name: string,
    { keys = [], write_bytes_per_second, atomic = false }: Partial<NamespaceSettings>,
    private readonly writes: RecentWrites,
  ) {
    this.patterns = keys.map((pattern) => new KeyPattern(pattern));
    this.isAtomic = atomic;
    this.budget = write_bytes_per_second ? new WriteBudget(write_bytes_per_second) : undefined;
  }

  has(key: string): boolean {
    return this.patterns.some((pattern) => pattern.matches(key));
  }

  /** Looks on, as do the others: whoever asked the store waits for its own promise. */
  countGet(pending: Promise<Session | undefined>): Promise<Session | undefined> {
    const { get } = this.operations;
    pending.then(
      (session) => {
        if (!session) return get.miss++;
        this.bytes.read.observe(session.value.length);
        return get.ok++;
      },
      () => get.error++,
    );
    return pending;
  }

  /** @param tag of the value */
  countSet(
    key: string,
    value: Buffer,
    tag: string,
    pending: Promise<boolean | void>,
  ): Promise<boolean | void> {
    const { set } = this.operations;
    pending.then(
      (done) => {
        if (done === false) {
          this.budget?.giveBack(value.length);
          return set.unmet++;
        }
        this.bytes.written.observe(value.length);
        const compared = this.writes.record(key, value.length, tag, this.name);
        if (compared) this.compared[compared]++;
        return set.ok++;
      },
      () => set.error++,
    );
    return pending;
  }

  /** Of the budget it takes what is written once more; it is no new value, and nothing that a client wrote. */
  countTouch(pending: Promise<Session | undefined | false>): Promise<Session | undefined | false> {
    const { touch } = this.operations;
    pending.then(
      (session) => {
        if (session === undefined) return touch.miss++;
        if (session === false) return touch.unmet++;
        this.budget?.take(session.value.length);
        return touch.ok++;
      },
      () => touch.error++,
    );
    return pending;
  }

  countDelete(key: string, pending: Promise<boolean | void>): Promise<boolean | void> {
    const { delete: deletes } = this.operations;
    const count = (result: keyof typeof deletes): void => {
      deletes[result]++;
      if (result !== 'unmet') this.writes.forget(key);
    };
    pending.then(
      (done) => count(done === false ? 'unmet' : 'ok'),
      () => count('error'),
    );
    return pending;
  }

  /** The 429, if the budget does not have so many bytes left. */
  refusalOf(bytes: number): Problem | undefined {
    const seconds = this.budget?.secondsUntil(bytes) ?? 0;
    if (seconds === 0) return undefined;
    this.operations.set.over_budget++;
    return new Problem('over_budget', `The namespace ${this.name} has used up what may be written to it`, {
      'retry-after': String(Math.ceil(seconds)),
    });
  }

  /** Throws the 429, or takes the bytes from the budget. */
  spend(bytes: number): void {
    const refusal = this.refusalOf(bytes);
    if (refusal) throw refusal;
    this.budget?.take(bytes);
  }
}

/** The namespaces of the settings, in their order; what is of none is `other`. */
@Injectable()
export class Namespaces {
  private readonly named: readonly Namespace[];
  private readonly other: Namespace;

  constructor({ namespaces = {} }: Settings, writes: RecentWrites, metrics: Metrics) {
    const { [OTHER]: other = {}, ...named } = namespaces;
    this.named = Object.entries(named).map(([name, settings]) => new Namespace(name, settings, writes));
    this.other = new Namespace(OTHER, other, writes);
    expose([...this.named, this.other], metrics);
  }

  of(key: string): Namespace {
    return this.named.find((namespace) => namespace.has(key)) ?? this.other;
  }
}

function expose(namespaces: readonly Namespace[], metrics: Metrics): void {
  metrics.counts(
    'kask_namespace_operations_total',
    'Operations on sessions, by kind of session and result',
    ['namespace', 'operation', 'result'],
    () =>
      namespaces.flatMap(({ name: namespace, operations }) =>
        Object.entries(operations).flatMap(([operation, results]) =>
          Object.entries(results).map(([result, count]) => ({
            labels: { namespace, operation, result },
            count,
          })),
        ),
      ),
  );
  metrics.counts(
    'kask_namespace_compared_writes_total',
    'Writes of sessions whose last value was remembered, by whether they changed it',
    ['namespace', 'result'],
    () =>
      namespaces.flatMap(({ name: namespace, compared }) =>
        Object.entries(compared).map(([result, count]) => ({ labels: { namespace, result }, count })),
      ),
  );
  metrics.histogram('kask_namespace_value_bytes', 'Size of values, as clients write and read them', () =>
    namespaces.flatMap(({ name: namespace, bytes }) =>
      Object.entries(bytes).map(([direction, tally]) => ({ labels: { namespace, direction }, tally })),
    ),
  );
  const budgets = namespaces.flatMap(({ name, budget }): [string, number][] =>
    budget ? [[name, budget.bytesPerSecond]] : [],
  );
  if (budgets.length > 0)
    metrics.gauges(
      'kask_namespace_budget_bytes_per_second',
      'Bytes that this process lets be written in a second, on average',
      'namespace',
      () => budgets,
    );
}
