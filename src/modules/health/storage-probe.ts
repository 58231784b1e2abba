import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { Metrics } from '../metrics/metrics.js';
import { SessionStore } from '../storage/session-store.js';
import { StorageError } from '../storage/storage-error.js';

const INTERVAL_MS = 1_000;
/** A probe that takes longer counts as failed: who asks gets an answer within a second whatever the cluster does. */
const TIMEOUT_MS = 900;
const REMIND_MS = 60_000;
/** Another reason is news, such as a missing table once Cassandra is there; but reasons may alternate. */
const NEWS_MS = 10_000;

export type StorageState = { up: true } | { up: false; reason: string };

const LATE: StorageState = { up: false, reason: `no answer within ${TIMEOUT_MS} ms` };

/**
 * Asks the storage once a second how it is, so that a probe costs the cluster the same however often and by whomever
 * health is asked. Says in the log when storage goes and comes, and once a minute that it is still away.
 */
@Injectable()
export class StorageProbe implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private underWay: Promise<StorageState> | undefined;
  private told = { reason: '', at: 0 };
  state: StorageState = { up: false, reason: 'storage was not asked yet' };

  constructor(
    private readonly store: SessionStore,
    private readonly metrics: Metrics,
    private readonly logger: PinoLogger,
  ) {}

  /** The first probe ends before the service listens, so that a store that is there is ready at once. */
  async onApplicationBootstrap(): Promise<void> {
    await this.turn();
    this.timer = setInterval(() => void this.turn(), INTERVAL_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async turn(): Promise<void> {
    this.state = await this.ask();
    this.metrics.storageUp.set(this.state.up ? 1 : 0);
    this.tell(this.state, Date.now());
  }

  /** A probe that is late is waited for, never doubled: a cluster in trouble gets no more of them. */
  private ask(): Promise<StorageState> {
    const probe = (this.underWay ??= this.probe().finally(() => (this.underWay = undefined)));
    return new Promise((resolve) => {
      const late = setTimeout(() => resolve(LATE), TIMEOUT_MS);
      void probe.then(resolve).finally(() => clearTimeout(late));
    });
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
