import { totalmem } from 'node:os';
import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Registry } from 'prom-client';
import { buildInfo } from '../../build-info.js';
import { CLOSED_FOR } from '../../http/connection-counts.js';
import type { ConnectionLimits } from '../../http/connection-limits.js';
import type { HttpConnections } from '../../http/http-connections.js';
import type { LogOutputs } from '../../log-outputs.js';
import type { StorageErrorKind } from '../storage/storage-error.js';
import { exposeHistogram, type LabelledTally, Tally } from './tallies.js';

export type StorageOperation = 'get' | 'set' | 'touch' | 'delete' | 'set_if' | 'touch_if' | 'delete_if';
export type StorageResult = 'ok' | 'miss' | 'unmet' | StorageErrorKind | 'error' | 'refused';

/** Did they begin with the first failure, `rate` would not see it: what it is compared with is not there. */
const NONE_FAILED = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].flatMap((method) =>
  ['500', '503', '504'].map((code) => ({ labels: { code, method }, count: 0 })),
);

/**
 * Every metric of our own, by name; docs/metrics.md tells what each is for. Labels have bounded values only. What is
 * counted for each request is counted in plain numbers and made into samples when it is asked for.
 */
@Injectable()
export class Metrics {
  httpInFlight = 0;
  readonly storageUp: Gauge;
  private readonly requests = new Map<string, Map<number, Tally>>();
  private readonly results = new Map<StorageOperation, Map<StorageResult, number>>();
  private readonly operations = new Map<StorageOperation, Tally>();

  constructor(private readonly registry: Registry) {
    this.exposeRequests();
    this.exposeOperations();
    this.storageUp = new Gauge({
      name: 'kask_storage_up',
      help: '1 if the last probe of the storage succeeded',
      registers: [registry],
    });
    this.gauge(
      'kask_memory_limit_bytes',
      'Memory that the process may have by its control group, +Inf without a limit',
      memoryLimit,
    );
    this.buildInfo();
  }

  /** A request under base_uri has ended. */
  countRequest(method: string, status: number, seconds: number): void {
    const statuses = getOrAdd(this.requests, method, () => new Map<number, Tally>());
    getOrAdd(statuses, status, () => new Tally()).observe(seconds);
  }

  countOperation(operation: StorageOperation, result: StorageResult, seconds: number): void {
    this.countResult(operation, result);
    getOrAdd(this.operations, operation, () => new Tally()).observe(seconds);
  }

  /** Of what the storage was not even asked. */
  countRefusal(operation: StorageOperation): void {
    this.countResult(operation, 'refused');
  }

  /** Registers a gauge whose value is asked for at each scrape. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** Registers a gauge with one label, whose values are asked for at each scrape. */
  gauges(name: string, help: string, label: string, read: () => Iterable<[string, number]>): void {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [value, number] of read()) this.set({ [label]: value }, number);
      },
    });
  }

  /** Registers a counter whose values are asked for at each scrape. */
  counts(
    name: string,
    help: string,
    labelNames: string[],
    read: () => Iterable<{ labels: Record<string, string>; count: number }>,
  ): void {
    new Counter({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { labels, count } of read()) this.inc(labels, count);
      },
    });
  }

  /** Registers a histogram whose tallies are asked for at each scrape. */
  histogram(name: string, help: string, read: () => Iterable<LabelledTally>): void {
    exposeHistogram(this.registry, name, help, read);
  }

  counter<Label extends string = never>(
    name: string,
    help: string,
    labelNames: Label[] = [],
  ): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  exposeConnections(connections: HttpConnections, limits: ConnectionLimits): void {
    this.gauge(
      'kask_http_connections',
      'Open connections of clients, handshakes included',
      () => connections.count,
    );
    this.gauge(
      'kask_http_connections_limit',
      'Connections of clients that are open at once, at most',
      () => limits.most,
    );
    this.counts(
      'kask_http_connections_closed_total',
      'Connections that we closed or did not take, by why',
      ['reason'],
      () => CLOSED_FOR.map((reason) => ({ labels: { reason }, count: connections.counts.of(reason) })),
    );
  }

  exposeLogOutputs(outputs: Pick<LogOutputs, 'dropped'>): void {
    this.counts(
      'kask_log_lines_dropped_total',
      'Log lines that an output did not take in time, or at all',
      ['output'],
      () => Object.entries(outputs.dropped).map(([output, count]) => ({ labels: { output }, count })),
    );
  }

  private countResult(operation: StorageOperation, result: StorageResult): void {
    const results = getOrAdd(this.results, operation, () => new Map<StorageResult, number>());
    results.set(result, (results.get(result) ?? 0) + 1);
  }

  private exposeRequests(): void {
    this.counts(
      'http_requests_total',
      'Requests under base_uri, by the status that was answered',
      ['code', 'method'],
      () => [
        ...NONE_FAILED,
        ...[...this.requestTallies()].map(({ labels, tally }) => ({ labels, count: tally.count })),
      ],
    );
    this.histogram(
      'http_request_duration_seconds',
      'Time from the arrival of a request under base_uri to the end of its answer',
      () => this.requestTallies(),
    );
    this.gauge(
      'kask_http_requests_in_flight',
      'Requests under base_uri that are not answered yet',
      () => this.httpInFlight,
    );
  }

  private exposeOperations(): void {
    this.counts(
      'kask_storage_operations_total',
      'Operations on the storage, by result',
      ['operation', 'result'],
      () =>
        [...this.results].flatMap(([operation, results]) =>
          [...results].map(([result, count]) => ({ labels: { operation, result }, count })),
        ),
    );
    this.histogram(
      'kask_storage_operation_duration_seconds',
      'Time that the storage took for an operation, whatever its result',
      () => [...this.operations].map(([operation, tally]) => ({ labels: { operation }, tally })),
    );
  }

  private *requestTallies(): Iterable<LabelledTally> {
    for (const [method, statuses] of this.requests)
      for (const [status, tally] of statuses) yield { labels: { code: String(status), method }, tally };
  }

  private buildInfo(): void {
    const gauge = new Gauge({
      name: 'kask_build_info',
      help: 'Always 1; the labels tell what is running',
      labelNames: ['version', 'build_date', 'build_host', 'go_version'],
      registers: [this.registry],
    });
    gauge.set({ ...buildInfo }, 1);
  }
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

/** libuv says 0 where there is no limit, or one beyond the memory of the machine, such as 2^64. */
function memoryLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : Infinity;
}
