import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Host } from 'cassandra-driver';
import { PinoLogger } from 'nestjs-pino';
import { Settings } from '../../../config/settings.js';
import { Metrics } from '../../metrics/metrics.js';
import { StorageClock } from '../storage-clock.js';
import { CassandraService } from './cassandra.service.js';
import { Timestamps } from './timestamps.js';

// Of the node that is asked, in ms.
const NOW = 'SELECT toUnixTimestamp(now()) AS now FROM system.local';

const INTERVAL_MS = 10_000;
/** Until a measurement is confirmed or refuted by the next, in ms. */
const CONFIRM_MS = 1_000;
const ANSWER_MS = 2_000;
/** Of a slower answer it is not known when the clock was read: a slow cluster would look like a wrong clock. In ms. */
const QUICK_MS = 100;
/** Of the limit, from where on the log warns. */
const WARN_SHARE = 0.1;
const REMIND_MS = 60_000;

type Verdict = 'right' | 'off' | 'too far off';

/**
 * How far the timestamps of our writes are from the clocks of the nodes of our datacenter. A process that is behind the others
 * writes what they have long overwritten, and deletes nothing; one that is ahead can't be overruled by them.
 */
@Injectable()
export class ClusterClock extends StorageClock implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly limitMs: number;
  private offsetMs = NaN;
  private verdict: Verdict = 'right';
  private lastSeen: Verdict = 'right';
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
    return `the clock is ${this.offset()} of those of the Cassandra nodes; ${this.limitMs} ms are allowed`;
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

  /** The median of the nodes, so that one whose clock is wrong is no fault of ours; nothing if none answers soon. */
  private async measure(): Promise<number | undefined> {
    const readings = await Promise.all(this.cassandra.connectedHosts().map((host) => this.offsetFrom(host)));
    const offsets = readings.filter((offset) => offset !== undefined).sort((a, b) => a - b);
    const middle = (offsets.length - 1) / 2;
    const [a, b] = [offsets[Math.floor(middle)], offsets[Math.ceil(middle)]];
    if (a === undefined || b === undefined) return undefined;
    return Math.abs(a) < Math.abs(b) ? a : b; // of two the one that says we are right, if any does
  }

  /** Positive if the node's clock is behind the timestamps that this process gives. */
  private async offsetFrom(host: Host): Promise<number | undefined> {
    const sentAt = performance.now();
    const before = this.timestamps.now();
    // A node that is away is told of elsewhere.
    const row = await this.cassandra.askNode(host, NOW, ANSWER_MS).catch(() => undefined);
    if (!row || performance.now() - sentAt > QUICK_MS) return undefined;
    const ours = (before + this.timestamps.now()) / 2 / 1000;
    return ours - Number(row.get('now')); // a Long of the driver's
  }

  /** It takes two measurements in a row: a pause of the process in the middle of one looks like a wrong clock. */
  private judge(offsetMs: number): void {
    this.offsetMs = offsetMs;
    const seen = this.verdictOn(Math.abs(offsetMs));
    const isConfirmed = seen === this.lastSeen;
    this.lastSeen = seen;
    if (!isConfirmed) return;
    const isNews = seen !== this.verdict;
    this.verdict = seen;
    if (isNews || (seen !== 'right' && performance.now() - this.toldAt >= REMIND_MS)) this.tell();
  }

  private verdictOn(ms: number): Verdict {
    if (this.limitMs === 0 || ms <= this.limitMs * WARN_SHARE) return 'right';
    return ms <= this.limitMs ? 'off' : 'too far off';
  }

  private tell(): void {
    this.toldAt = performance.now();
    const said = { offset_ms: Math.round(this.offsetMs), limit_ms: this.limitMs };
    if (this.verdict === 'right') this.logger.info({ msg: 'the clock is right again', ...said });
    else if (this.verdict === 'off') this.logger.warn({ msg: `the clock is ${this.offset()}`, ...said });
    else this.logger.error({ msg: `the clock is ${this.offset()}: not ready`, ...said });
  }

  private offset(): string {
    const ms = Math.round(this.offsetMs);
    return ms < 0 ? `${-ms} ms behind` : `${ms} ms ahead`;
  }
}
