import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { Metrics } from '../metrics/metrics.js';
import { SessionStore } from '../storage/session-store.js';
import { StorageError } from '../storage/storage-error.js';

const INTERVAL_MS = 1_000;
/** The service listens without waiting longer than this for the first result. */
const PATIENCE_MS = 900;
/**
 * So many results in a row change its mind. One that is late is none until it comes, and a failure only once a request
 * would have had its time limit: were slowness a failure, a slow cluster would turn off every pod at once, and with the
 * last of them the site.
 */
const IN_A_ROW = { up: 2, down: 3 };
const REMIND_MS = 60_000;
/** Another reason is news, such as a missing table once Cassandra is there; but reasons may alternate. */
const NEWS_MS = 10_000;

export type StorageState = { up: true } | { up: false; reason: string };

/**
 * Asks the storage once a second how it is, so that a probe costs the cluster the same however often and by whomever
 * health is asked. Says in the log when storage goes and comes, and once a minute that it is still away.
 */
@Injectable()
export class StorageProbe implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private isUnderWay = false;
  private latest: StorageState | undefined;
  private inARow = 0;
  private told = { reason: '', at: 0 };
  /** As readiness has it. */
  state: StorageState = { up: false, reason: 'storage has not answered yet' };

  constructor(
    private readonly store: SessionStore,
    private readonly metrics: Metrics,
    private readonly logger: PinoLogger,
  ) {}

  /** The first probe ends before the service listens, so that a store that is there is ready at once. */
  async onApplicationBootstrap(): Promise<void> {
    await Promise.race([this.turn(), sleep(PATIENCE_MS, undefined, { ref: false })]);
    this.timer = setInterval(() => void this.turn(), INTERVAL_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** A probe that is late is waited for, never doubled: a cluster in trouble gets no more of them. */
  private async turn(): Promise<void> {
    if (this.isUnderWay) return;
    this.isUnderWay = true;
    this.note(await this.probe());
    this.isUnderWay = false;
    this.tell(this.state, Date.now());
  }

  private note(found: StorageState): void {
    this.metrics.storageUp.set(found.up ? 1 : 0);
    const isFirst = !this.latest;
    this.inARow = found.up === this.latest?.up ? this.inARow + 1 : 1;
    this.latest = found;
    const isSame = found.up === this.state.up;
    if (isFirst || isSame || this.inARow >= IN_A_ROW[found.up ? 'up' : 'down']) this.state = found;
  }

  private async probe(): Promise<StorageState> {
    try {
      await this.store.probe();
      return { up: true };
    } catch (error) {
      return { up: false, reason: whyDown(error) };
    }
  }

  private tell(state: StorageState, now: number): void {
    const reason = state.up ? '' : state.reason;
    if (!this.isNews(reason, now)) return;
    if (state.up) this.logger.info({ msg: 'storage serves again' });
    else this.logger.error({ msg: 'storage does not serve', reason });
    this.told = { reason, at: now };
  }

  /** No reason is "it serves". */
  private isNews(reason: string, now: number): boolean {
    const { reason: told, at } = this.told;
    if (reason === '' || told === '') return reason !== told;
    return now - at >= (reason === told ? REMIND_MS : NEWS_MS);
  }
}

/** With the cause: a probe asks for no session, so nothing in it is a key. */
function whyDown(error: unknown): string {
  if (!(error instanceof StorageError)) return 'internal error';
  return error.cause instanceof Error ? `${error.reason}: ${error.cause.message}` : error.reason;
}
