import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import type { Counter } from 'prom-client';
import { Settings } from '../../../config/settings.js';
import { placeOf } from '../../../problems/place-of.js';
import { Metrics } from '../../metrics/metrics.js';
import { StorageError } from '../storage-error.js';
import { CassandraService } from './cassandra.service.js';

/** Between two rounds of repeats, in ms: twice as long after each that brought nothing. */
const ROUND_MS = { first: 1_000, last: 10_000 };
/** Repeats that are under way at the same time. */
const AT_ONCE = 64;
/** About 40 MB, where keys are as long as they may be. */
const MAX_ENTRIES = 100_000;
const REMIND_MS = 60_000;
/** What the end of the process may wait for a last try, in ms, and no more than this share of all it may take. */
const LAST_TRY = { ms: 5_000, share: 0.25 };

interface PendingDelete {
  readonly key: string;
  /** That of the delete as the client asked for it. */
  readonly timestamp: number;
  /** When it was first refused, in ms of `performance.now()`. */
  readonly since: number;
}

/**
 * Deletes that not every datacenter has acknowledged, repeated until each has. Cassandra keeps the later of two writes
 * to a key by their timestamps, so a repeat takes away what the delete should have, however late, and nothing that was
 * written after it. Keys are credentials: none leaves this memory but to Cassandra.
 */
@Injectable()
export class PendingDeletes implements OnApplicationShutdown {
  /** The oldest first. */
  private readonly entries = new Map<string, PendingDelete>();
  private readonly events: Counter<'event'>;
  private readonly lastTryMs: number;
  private isSilent = false;
  private fruitless = 0;
  private timer: NodeJS.Timeout | undefined;
  private isRepeating = false;
  private isStopped = false;
  /** Why the last one was not acknowledged. */
  private whyNot = '';
  private told = { pending: 0, dropped: -Infinity };

  constructor(
    private readonly cassandra: CassandraService,
    settings: Settings,
    metrics: Metrics,
    private readonly logger: PinoLogger,
  ) {
    this.lastTryMs = Math.min(LAST_TRY.ms, settings.shutdown_timeout_ms * LAST_TRY.share);
    this.events = metrics.counter('kask_pending_deletes_total', 'What became of pending deletes', ['event']);
    for (const event of ['remembered', 'done', 'dropped']) this.events.inc({ event }, 0);
    metrics.gauge(
      'kask_pending_deletes',
      'Deletes that not every datacenter has acknowledged, and that are repeated until each has',
      () => this.entries.size,
    );
    metrics.gauge('kask_pending_deletes_oldest_seconds', 'Age of the oldest of them', () =>
      this.oldestSeconds(),
    );
  }

  /** Whether the last delete or repeat had no answer in time: a datacenter is silent, and Cassandra does not know it yet. */
  get timedOut(): boolean {
    return this.isSilent && this.entries.size > 0;
  }

  /** Of two deletes of a key the later is enough; how long it has been pending counts from the first. */
  remember(key: string, timestamp: number, error: StorageError): void {
    this.refused(error);
    const before = this.entries.get(key);
    if (before && before.timestamp > timestamp) return;
    this.entries.set(key, { key, timestamp, since: before?.since ?? performance.now() });
    if (!before) this.added();
  }

  /** A delete was acknowledged everywhere, so others may be as well. */
  acknowledged(key: string, timestamp: number): void {
    const entry = this.entries.get(key);
    if (entry && entry.timestamp <= timestamp) this.forget(entry);
    this.isSilent = false;
    if (this.entries.size === 0 || this.fruitless === 0) return;
    this.fruitless = 0;
    this.schedule(ROUND_MS.first);
  }

  /** When the last request was answered. Nest closes Cassandra after this, as who depends on another is ended first. */
  async onApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    if (this.entries.size === 0) return;
    this.logger.warn({ msg: 'trying pending deletes a last time', pending: this.entries.size });
    await Promise.race([this.tryEach(), sleep(this.lastTryMs, undefined, { ref: false })]);
    if (this.entries.size === 0) return;
    this.logger.error({
      msg: 'ending with deletes that not every datacenter has acknowledged',
      pending: this.entries.size,
      reason: this.whyNot,
    });
  }

  private added(): void {
    this.events.inc({ event: 'remembered' });
    if (this.entries.size > MAX_ENTRIES) this.dropOldest();
    if (this.entries.size > 1) return;
    this.logger.warn({
      msg: 'a delete is pending until every datacenter acknowledges it',
      reason: this.whyNot,
    });
    this.told.pending = performance.now();
    this.fruitless = 0;
    this.schedule(ROUND_MS.first);
  }

  private dropOldest(): void {
    const [oldest] = this.entries.keys();
    this.entries.delete(oldest as string);
    this.events.inc({ event: 'dropped' });
    const now = performance.now();
    if (now - this.told.dropped < REMIND_MS) return;
    this.told.dropped = now;
    this.logger.error({ msg: 'too many deletes are pending: the oldest are given up', most: MAX_ENTRIES });
  }

  private schedule(ms: number): void {
    clearTimeout(this.timer);
    if (!this.isStopped && !this.isRepeating) this.timer = setTimeout(() => void this.round(), ms).unref();
  }

  private async round(): Promise<void> {
    this.remind();
    this.isRepeating = true;
    await this.repeatAll();
    this.isRepeating = false;
    if (this.entries.size > 0) this.schedule(Math.min(ROUND_MS.first * 2 ** this.fruitless, ROUND_MS.last));
  }

  /** One alone finds out whether the others are worth it, another one each time: keys have different replicas. */
  private async repeatAll(): Promise<void> {
    const entries = [...this.entries.values()];
    const probe = entries.splice(this.fruitless % entries.length, 1);
    let acknowledged = await this.repeat(probe);
    this.fruitless = acknowledged > 0 ? 0 : this.fruitless + 1;
    while (acknowledged > 0 && entries.length > 0 && !this.isStopped)
      acknowledged = await this.repeat(entries.splice(0, AT_ONCE));
  }

  private async tryEach(): Promise<void> {
    const end = performance.now() + this.lastTryMs;
    const entries = [...this.entries.values()];
    while (entries.length > 0 && performance.now() < end) await this.repeat(entries.splice(0, AT_ONCE));
  }

  /** Tells how many were acknowledged. */
  private async repeat(entries: readonly PendingDelete[]): Promise<number> {
    const outcomes = await Promise.all(entries.map((entry) => this.repeatOne(entry)));
    return outcomes.filter(Boolean).length;
  }

  private async repeatOne(entry: PendingDelete): Promise<boolean> {
    const { key, timestamp } = entry;
    try {
      await this.cassandra.run({ statement: 'delete', key: Buffer.from(key), timestamp });
    } catch (error) {
      this.refused(error);
      return false;
    }
    this.isSilent = false;
    if (this.entries.get(key) === entry) this.forget(entry);
    return true;
  }

  private forget({ key }: PendingDelete): void {
    this.entries.delete(key);
    this.events.inc({ event: 'done' });
    if (this.entries.size > 0) return;
    clearTimeout(this.timer);
    this.logger.info({ msg: 'no delete is pending any more' });
  }

  private refused(error: unknown): void {
    this.isSilent = error instanceof StorageError && error.kind === 'timeout';
    this.whyNot = error instanceof StorageError ? error.reason : placeOf(error);
  }

  private remind(): void {
    const now = performance.now();
    if (now - this.told.pending < REMIND_MS) return;
    this.told.pending = now;
    this.logger.warn({
      msg: 'deletes are pending until every datacenter acknowledges them',
      pending: this.entries.size,
      oldest_seconds: Math.round(this.oldestSeconds()),
      reason: this.whyNot,
    });
  }

  private oldestSeconds(): number {
    const [oldest] = this.entries.values();
    return oldest ? (performance.now() - oldest.since) / 1000 : 0;
  }
}
