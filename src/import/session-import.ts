import { setTimeout as sleep } from 'node:timers/promises';
import type { Settings } from '../config/settings.js';
import { requireUsable } from '../modules/sessions/session-key.js';
import { StorageError } from '../modules/storage/storage-error.js';
import { placeOf } from '../problems/place-of.js';
import { addCounts, type ImportCounts, noCounts, type Outcome } from './import-counts.js';
import type { ImportOptions } from './import-options.js';
import { BEGINNING, type ImportState } from './import-state.js';
import { mediawikiValue } from './mediawiki-value.js';
import type { RedisConnection } from './redis-connection.js';
import { read, type RedisSession, scan } from './redis-sessions.js';

/** Of phpredis and of MediaWiki: the names of no sessions. */
const LOCK = /(_LOCK|:lock)$/;

/** Sessions on their way at once; with the largest values that is the memory that it takes. */
const AT_ONCE = 64;
/** A storage that cannot do it now is asked again, first after the one and at last after the other, in ms. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
/** For so long, in ms. */
const PATIENCE_MS = 60_000;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Keeps a session in the storage, unless that has or had a newer one. */
export type Keep = (key: string, value: Buffer, ttlSeconds: number) => Promise<unknown>;

/** The storage was away for longer than was waited. */
export class StorageAway extends Error {
  override readonly name = 'StorageAway';
}

export interface ImportPlan {
  options: ImportOptions;
  settings: Pick<Settings, 'default_ttl' | 'max_ttl' | 'max_value_bytes'>;
  /** Of MediaWiki's client of Kask. */
  hmacKey: string;
  patienceMs?: number;
}

/** Sessions of a Redis, page by page. */
export class SessionImport {
  private isStopped = false;
  /** Of `performance.now()`: when the next session may be read. */
  private nextAt = 0;
  private keptAt = 0;
  /** Of those that failed, why the first did. */
  failure: string | undefined;

  constructor(
    private readonly redis: RedisConnection,
    private readonly keep: Keep,
    private readonly plan: ImportPlan,
  ) {}

  /**
   * Goes on from a state and brings it up to date after each page, so that who begins there again repeats a page at most.
   * Resolves whether it came to the end.
   */
  async run(state: ImportState, afterPage: () => void): Promise<boolean> {
    do {
      const { cursor, keys } = await scan(this.redis, state.cursor, this.plan.options.match);
      const counts = await this.importAll(keys);
      if (this.isStopped) return false;
      addCounts(state.counts, counts);
      state.cursor = cursor;
      afterPage();
    } while (state.cursor !== BEGINNING);
    return true;
  }

  stop(): void {
    this.isStopped = true;
  }

  private async importAll(keys: Buffer[]): Promise<ImportCounts> {
    const counts = noCounts();
    const left = keys.values();
    const worker = async (): Promise<void> => {
      for (const key of left) {
        if (this.isStopped) return;
        await this.pace();
        counts[await this.importOne(key, counts)]++;
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    } catch (error) {
      this.stop();
      throw error;
    }
    return counts;
  }

  private async pace(): Promise<void> {
    const { rate } = this.plan.options;
    if (rate === undefined) return;
    const now = performance.now();
    this.nextAt = Math.max(now, this.nextAt) + 1_000 / rate;
    await sleep(this.nextAt - now);
  }

  private async importOne(name: Buffer, counts: ImportCounts): Promise<Outcome> {
    const { options, settings, hmacKey } = this.plan;
    if (LOCK.test(name.toString('latin1'))) return 'locked';
    const key = keyOf(name, options);
    if (key === undefined) return 'unusable_key';
    const found = await read(this.redis, name, settings.max_value_bytes);
    if (typeof found === 'string') return found;
    if (found.value.length === 0) return 'empty';
    const value =
      found.value.length > settings.max_value_bytes ? found.value : converted(found.value, options, hmacKey);
    if (!value) return 'unconverted';
    if (value.length > settings.max_value_bytes) return 'too_large';
    const outcome = await this.persist(key, value, ttlSeconds(found, settings));
    if (outcome !== 'imported') return outcome;
    if (found.ttlMs === undefined) counts.without_ttl++;
    else if (found.ttlMs > settings.max_ttl * 1_000) counts.shortened++;
    return outcome;
  }

  /** Throws StorageAway if nothing could be kept for as long as this could not. */
  private async persist(key: string, value: Buffer, ttl: number): Promise<Outcome> {
    const { patienceMs = PATIENCE_MS } = this.plan;
    const began = performance.now();
    for (let delayMs = FIRST_RETRY_MS; ; delayMs = Math.min(delayMs * 2, LAST_RETRY_MS)) {
      try {
        await this.keep(key, value, ttl);
        this.keptAt = performance.now();
        return 'imported';
      } catch (error) {
        if (error instanceof StorageError && error.kind === 'too_large') return 'too_large';
        const reason = error instanceof StorageError ? error.reason : placeOf(error);
        const isLate = performance.now() - began > patienceMs;
        if (error instanceof StorageError && isLate && this.keptAt < began) throw new StorageAway(reason);
        if (!(error instanceof StorageError) || isLate || this.isStopped) {
          // What somebody stopped did not fail.
          if (!this.isStopped) this.failure ??= reason;
          return 'failed';
        }
      }
      await sleep(delayMs);
    }
  }
}

function ttlSeconds({ ttlMs }: RedisSession, { default_ttl, max_ttl }: ImportPlan['settings']): number {
  return ttlMs === undefined ? default_ttl : Math.min(Math.max(1, Math.ceil(ttlMs / 1_000)), max_ttl);
}

/** `undefined` for what Kask does not take. */
function keyOf(name: Buffer, { strip, add }: ImportOptions): string | undefined {
  try {
    const text = utf8.decode(name);
    return text.startsWith(strip) ? requireUsable(add + text.slice(strip.length)) : undefined;
  } catch {
    return undefined;
  }
}

function converted(value: Buffer, { values }: ImportOptions, hmacKey: string): Buffer | undefined {
  if (values === 'bytes') return value;
  return mediawikiValue(value, values === 'mediawiki-php' ? 'PHP' : 'JSON', hmacKey);
}
