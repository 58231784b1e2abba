import type { OnApplicationShutdown } from '@nestjs/common';
import type { PinoLogger } from 'nestjs-pino';
import type { Counter } from 'prom-client';
import type { EncryptionSettings, Settings } from '../../../config/settings.js';
import type { RequestTrace } from '../../../tracing/request-trace.js';
import type { Metrics } from '../../metrics/metrics.js';
import { SessionStore } from '../session-store.js';
import { inTime, storageTimeoutMs } from '../storage-timeout.js';
import { NO_KEY, type Place, PlainPlace, SealedPlace, UNENCRYPTED } from './places.js';
import { UnopenableValue } from './sealed-value.js';
import { SealingKeyFile } from './sealing-key-file.js';
import type { SealingKeys } from './sealing-keys.js';

const LATE = 'the storage did not answer in time for every place where the session may lie';

/**
 * Keeps in another store what nobody who reads that can use: values are sealed, and rows named by an HMAC. While secrets
 * of rows change, or rows of before may still be read, a session may lie in one of several places. What makes that safe
 * is that every process looks for it in the same order, the newest place first: see docs/adr/0009.
 */
export class SealedSessionStore extends SessionStore implements OnApplicationShutdown {
  private readonly reads: Counter<'row' | 'key'>;
  private readonly unopenable: Counter<'reason'>;
  private readonly keyFile: SealingKeyFile;
  private readonly timeoutMs: number;
  /** In ms since the epoch. */
  private readonly sealFrom: number;
  private readonly readUnencryptedUntil: number;

  constructor(
    private readonly store: SessionStore,
    encryption: EncryptionSettings,
    settings: Settings,
    metrics: Metrics,
    logger: PinoLogger,
  ) {
    super();
    this.timeoutMs = storageTimeoutMs(settings);
    this.sealFrom = Date.parse(encryption.seal_from ?? '1970-01-01');
    this.readUnencryptedUntil = Date.parse(encryption.read_unencrypted_until ?? '1970-01-01');
    this.reads = metrics.counter(
      'kask_encryption_reads_total',
      'Sessions that were read, by the secret that named their row and the key that opened them',
      ['row', 'key'],
    );
    this.unopenable = metrics.counter(
      'kask_encryption_unopenable_total',
      'Sessions that could not be opened',
      ['reason'],
    );
    for (const reason of ['unknown_key', 'damaged']) this.unopenable.inc({ reason }, 0);
    this.keyFile = new SealingKeyFile(encryption.key_file, logger, (keys) => this.exposeReads(keys));
  }

  async get(key: string, trace?: RequestTrace): Promise<Buffer | undefined> {
    const places = this.placesOf(key, Date.now() < this.readUnencryptedUntil);
    return places.length === 1
      ? this.find(places, trace)
      : inTime(this.find(places, trace), this.timeoutMs, LATE);
  }

  async set(
    key: string,
    value: Buffer,
    ttlSeconds: number,
    _hiding?: readonly string[],
    trace?: RequestTrace,
  ): Promise<void> {
    const places = this.placesOf(key, Date.now() < this.sealFrom);
    const written = places.at(-1) instanceof PlainPlace ? places.length - 1 : this.keyFile.keys.written;
    const { row } = places[written]!;
    const stored = places[written]!.seal(value);
    if (written === 0) return this.store.set(row, stored, ttlSeconds, undefined, trace);
    const newer = oldestFirst(places.slice(0, written));
    return inTime(this.store.set(row, stored, ttlSeconds, newer, trace), this.timeoutMs, LATE);
  }

  /** From every place, also past the window: the clock of another process may still be within it. */
  async delete(key: string, _hidden?: readonly string[], trace?: RequestTrace): Promise<void> {
    const [newest, ...older] = this.placesOf(key, this.readUnencryptedUntil > 0);
    if (older.length === 0) return this.store.delete(newest!.row, undefined, trace);
    return inTime(this.store.delete(newest!.row, oldestFirst(older), trace), this.timeoutMs, LATE);
  }

  probe(): Promise<void> {
    return this.store.probe();
  }

  onApplicationShutdown(): void {
    this.keyFile.close();
  }

  /** The newest first. */
  private placesOf(key: string, withPlain: boolean): Place[] {
    const { keys } = this.keyFile;
    const places: Place[] = keys.rows.map((secret) => new SealedPlace(key, secret, keys));
    if (withPlain && PlainPlace.mayHold(key)) places.push(new PlainPlace(key));
    return places;
  }

  private async find(places: readonly Place[], trace?: RequestTrace): Promise<Buffer | undefined> {
    for (const place of places) {
      const stored = await this.store.get(place.row, trace);
      if (stored) return this.open(stored, place);
    }
    return undefined;
  }

  private open(stored: Buffer, place: Place): Buffer {
    try {
      const { value, keyName } = place.open(stored);
      this.reads.inc({ row: place.name, key: keyName });
      return value;
    } catch (error) {
      if (error instanceof UnopenableValue) this.unopenable.inc({ reason: error.code });
      throw error;
    }
  }

  private exposeReads({ rows, values }: SealingKeys): void {
    this.reads.inc({ row: UNENCRYPTED, key: NO_KEY }, 0);
    for (const { name: row } of rows) for (const { name: key } of values) this.reads.inc({ row, key }, 0);
  }
}

function oldestFirst(places: readonly Place[]): string[] {
  return places.map(({ row }) => row).reverse();
}
