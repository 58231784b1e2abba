import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { Settings } from '../../../config/settings.js';
import { Metrics } from '../../metrics/metrics.js';
import { StorageClock } from '../storage-clock.js';
import { CassandraService } from './cassandra.service.js';
import { aheadOrBehind, type ClockVerdict, medianOf, offsetFrom, verdictOn } from './clock-offset.js';
import { Timestamps } from './timestamps.js';

const INTERVAL_MS = 10_000;
/** Until a measurement is confirmed or refuted by the next, in ms. */
const CONFIRM_MS = 1_000;
const ANSWER_MS = 2_000;
const REMIND_MS = 60_000;

/**
 * How far the timestamps of our writes are from the clocks of the nodes of our datacenter. A process that is behind the others
 * writes what they have long overwritten, and deletes nothing; one that is ahead can't be overruled by them.
 */
@Injectable()
export class ClusterClock extends StorageClock implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly limitMs: number;
  private offsetMs = NaN;
  private verdict: ClockVerdict = 'right';
  private lastSeen: ClockVerdict = 'right';
  private toldAt = 0;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  constructor(
    private readonly cassandra: CassandraService,
    private readonly timestamps: Timestamps,
    settings: Settings,
    metrics: Metrics,
    private readonly logger: PinoLogger,
  ) {
    super();
    this.limitMs = settings.cassandra.clock_limit_ms;
    metrics.gauge(
      'kask_clock_offset_seconds',
      'How far our timestamps are ahead of the clocks of the Cassandra nodes',
      () => this.offsetMs / 1000,
    );
  }

  get fault(): string | undefined {
    if (this.verdict !== 'too far off') return undefined;
    return `the clock is ${aheadOrBehind(this.offsetMs)} of those of the Cassandra nodes; ${this.limitMs} ms are allowed`;
  }

  onApplicationBootstrap(): void {
    void this.turn();
  }

  onApplicationShutdown(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  private async turn(): Promise<void> {
    const offsetMs = await this.measure();
    if (offsetMs !== undefined) this.judge(offsetMs);
    const isCertain = this.lastSeen === this.verdict && !Number.isNaN(this.offsetMs);
    const wait = isCertain ? INTERVAL_MS : CONFIRM_MS;
    if (!this.isStopped) this.timer = setTimeout(() => void this.turn(), wait).unref();
  }

  /** Nothing if no node answers soon. */
  private async measure(): Promise<number | undefined> {
    const { cassandra, timestamps } = this;
    return medianOf(
      await Promise.all(
        cassandra.connectedHosts().map((host) =>
          offsetFrom(
            (cql) => cassandra.askNode(host, cql, ANSWER_MS),
            () => timestamps.now(),
          ),
        ),
      ),
    );
  }

  /** It takes two measurements in a row: a pause of the process in the middle of one looks like a wrong clock. */
  private judge(offsetMs: number): void {
    this.offsetMs = offsetMs;
    const seen = verdictOn(offsetMs, this.limitMs);
    const isConfirmed = seen === this.lastSeen;
    this.lastSeen = seen;
    if (!isConfirmed) return;
    const isNews = seen !== this.verdict;
    this.verdict = seen;
    if (isNews || (seen !== 'right' && performance.now() - this.toldAt >= REMIND_MS)) this.tell();
  }

  private tell(): void {
    this.toldAt = performance.now();
    const said = { offset_ms: Math.round(this.offsetMs), limit_ms: this.limitMs };
    if (this.verdict === 'right') this.logger.info({ msg: 'the clock is right again', ...said });
    else if (this.verdict === 'off')
      this.logger.warn({ msg: `the clock is ${aheadOrBehind(this.offsetMs)}`, ...said });
    else this.logger.error({ msg: `the clock is ${aheadOrBehind(this.offsetMs)}: not ready`, ...said });
  }
}
