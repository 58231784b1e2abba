import { stat } from 'node:fs/promises';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { Settings } from '../../config/settings.js';
import { HttpConnections } from '../../http/http-connections.js';
import { Metrics } from '../metrics/metrics.js';

/** Not a FileWatch: that sees changes alone, and one it missed would leave a service depooled, or pooled, for ever. */
const LOOK_EVERY_MS = 500;

/**
 * Whether operators want this process to be sent requests: not while `depool_file` is there, restarts included. What comes all
 * the same is served, and clients that keep their connection learn from the next answer to connect elsewhere.
 */
@Injectable()
export class Pool implements OnApplicationBootstrap, OnApplicationShutdown {
  isDepooled = false;
  private isClosed = false;
  private isLooking = false;
  private timer: NodeJS.Timeout | undefined;
  /** Why the file could not be looked for, as it was logged. */
  private told: string | undefined;

  constructor(
    private readonly connections: HttpConnections,
    private readonly settings: Settings,
    private readonly logger: PinoLogger,
    metrics: Metrics,
  ) {
    metrics.gauge('kask_pooled', '0 while the file depool_file is there', () => (this.isDepooled ? 0 : 1));
  }

  async onApplicationBootstrap(): Promise<void> {
    const { depool_file: file } = this.settings;
    if (file === undefined) return;
    await this.look(file);
    this.timer = setInterval(() => void this.look(file), LOOK_EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    this.close();
  }

  /** From now on as it is. */
  close(): void {
    this.isClosed = true;
    clearInterval(this.timer);
  }

  /** One that hangs, as on a network's file system, is waited for. */
  private async look(file: string): Promise<void> {
    if (this.isLooking) return;
    this.isLooking = true;
    try {
      const isThere = await exists(file);
      this.told = undefined;
      if (isThere !== this.isDepooled && !this.isClosed) this.turn(isThere, file);
    } catch (error) {
      this.tellWhy(file, error as NodeJS.ErrnoException);
    } finally {
      this.isLooking = false;
    }
  }

  private turn(isDepooled: boolean, file: string): void {
    this.isDepooled = isDepooled;
    if (isDepooled) {
      this.connections.leave();
      this.logger.warn({ file }, 'depooled: not ready, still serving what comes');
    } else {
      this.connections.stay();
      this.logger.info({ file }, 'pooled again');
    }
  }

  /** It stays as it was: a wrong mode should not turn off every process. */
  private tellWhy(file: string, { code = 'unknown error' }: NodeJS.ErrnoException): void {
    if (code === this.told) return;
    this.told = code;
    this.logger.error({ file, reason: code }, 'depool_file cannot be looked for');
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
