import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { buildInfo } from '../../build-info.js';
import type { StorageErrorKind } from '../storage/storage-error.js';

/** Seconds; dashboards of the service that this one succeeds use these buckets. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

export type StorageOperation = 'get' | 'set' | 'delete';
export type StorageResult = 'ok' | 'miss' | StorageErrorKind | 'error';

/** Every metric of our own, by name; docs/metrics.md tells what each is for. Labels have bounded values only. */
@Injectable()
export class Metrics {
  readonly httpRequests: Counter<'code' | 'method'>;
  readonly httpDuration: Histogram<'code' | 'method'>;
  readonly httpInFlight: Gauge;
  readonly operations: Counter<'operation' | 'result'>;
  readonly operationDuration: Histogram<'operation'>;
  readonly storageUp: Gauge;

  constructor(private readonly registry: Registry) {
    const registers = [registry];
    this.httpRequests = new Counter({
      name: 'http_requests_total',
      help: 'Requests under base_uri, by the status that was answered',
      labelNames: ['code', 'method'],
      registers,
    });
    this.httpDuration = this.duration(
      'http_request_duration_seconds',
      'Time from the arrival of a request under base_uri to the end of its answer',
      ['code', 'method'],
    );
    this.httpInFlight = new Gauge({
      name: 'kask_http_requests_in_flight',
      help: 'Requests under base_uri that are not answered yet',
      registers,
    });
    this.operations = new Counter({
      name: 'kask_storage_operations_total',
      help: 'Operations on the storage, by result',
      labelNames: ['operation', 'result'],
      registers,
    });
    this.operationDuration = this.duration(
      'kask_storage_operation_duration_seconds',
      'Time that the storage took for an operation, whatever its result',
      ['operation'],
    );
    this.storageUp = new Gauge({
      name: 'kask_storage_up',
      help: '1 if the last probe of the storage succeeded',
      registers,
    });
    this.buildInfo();
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

  counter(name: string, help: string): Counter {
    return new Counter({ name, help, registers: [this.registry] });
  }

  private duration<Label extends string>(name: string, help: string, labelNames: Label[]): Histogram<Label> {
    return new Histogram({ name, help, labelNames, buckets: BUCKETS, registers: [this.registry] });
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
