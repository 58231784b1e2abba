import type { OnApplicationShutdown } from '@nestjs/common';
import type { PinoLogger } from 'nestjs-pino';
import type { Counter } from 'prom-client';
import { longestTtl } from '../../../config/longest-ttl.js';
import type { EncryptionSettings, Settings } from '../../../config/settings.js';
import type { RequestTrace } from '../../../tracing/request-trace.js';
import type { Metrics } from '../../metrics/metrics.js';
import { type Condition, type Renewal, type Session, SessionStore } from '../session-store.js';
import { StorageError } from '../storage-error.js';
import { inTime, storageTimeoutMs } from '../storage-timeout.js';
import { NO_KEY, type Place, PlainPlace, SealedPlace, UNENCRYPTED } from './places.js';
import { UnopenableValue } from './sealed-value.js';
import { SealingKeyFile } from './sealing-key-file.js';
import type { SealingKeys } from './sealing-keys.js';

const LATE = 'the storage did not answer in time for every place where the session may lie';
const SEVERAL_PLACES =
  'no conditional write can be made while secrets of rows change, or sessions are read that are not encrypted yet';

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
  /** That any session can have. */
  private readonly longestTtlSeconds: number;

  constructor(
    private readonly store: SessionStore,
    encryption: EncryptionSettings,
    settings: Settings,
    metrics: Metrics,
    logger: PinoLogger,
  ) {
    super();
    this.timeoutMs = storageTimeoutMs(settings);
    this.longestTtlSeconds = longestTtl(settings) || Infinity;
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

  async get(key: string, trace?: RequestTrace): Promise<Session | undefined> {
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
    const places = this.placesOf(key, Date.now() < this.readUnencryptedUntil);
    const written = this.writtenOf(places);
    const { row } = places[written]!;
    const stored = places[written]!.seal(value);
    const newer = written === 0 ? undefined : oldestFirst(places.slice(0, written));
    const pending = this.store.set(row, stored, ttlSeconds, newer, trace);
    if (places.length === 1) return pending;
    const older = places.slice(written + 1);
    const done = pending.then(() => this.shorten(older, ttlSeconds, trace));
    return inTime(done, this.timeoutMs, LATE);
  }

  /** From every place, also past the window: the clock of another process may still be within it. */
  async delete(key: string, _hidden?: readonly string[], trace?: RequestTrace): Promise<void> {
    const [newest, ...older] = this.placesOf(key, this.readUnencryptedUntil > 0);
    if (older.length === 0) return this.store.delete(newest!.row, undefined, trace);
    return inTime(this.store.delete(newest!.row, oldestFirst(older), trace), this.timeoutMs, LATE);
  }

  async touch(key: string, ttlSeconds: number, trace?: RequestTrace): Promise<Session | undefined> {
    const places = this.placesOf(key, Date.now() < this.readUnencryptedUntil);
    const pending = this.touchAmong(places, ttlSeconds, trace);
    return places.length === 1 ? pending : inTime(pending, this.timeoutMs, LATE);
  }

  async setIf(
    key: string,
    condition: Condition,
    value: Buffer,
    ttlSeconds: number,
    trace?: RequestTrace,
  ): Promise<boolean> {
    const place = this.onlyPlaceOf(key);
    const stored = place.seal(value);
    return this.judging(condition, place, (judge) =>
      this.store.setIf(place.row, judge, stored, ttlSeconds, trace),
    );
  }

  async touchIf(
    key: string,
    condition: Condition,
    ttlSeconds: number,
    trace?: RequestTrace,
  ): Promise<Session | undefined | false> {
    const place = this.onlyPlaceOf(key);
    const stored = await this.judging(condition, place, (judge) =>
      this.store.touchIf(place.row, judge, ttlSeconds, trace),
    );
    return stored && this.opened(stored, place);
  }

  async deleteIf(key: string, condition: Condition, trace?: RequestTrace): Promise<boolean> {
    const place = this.onlyPlaceOf(key);
    return this.judging(condition, place, (judge) => this.store.deleteIf(place.row, judge, trace));
  }

  /** In another place there may be what is newer, and would be hidden. */
  async adopt(key: string, value: Buffer, ttlSeconds: number): Promise<void> {
    const places = this.placesOf(key, Date.now() < this.readUnencryptedUntil);
    if (places.length > 1 && (await this.find(places))) return;
    const place = places[this.writtenOf(places)]!;
    return this.store.adopt(place.row, place.seal(value), ttlSeconds);
  }

  probe(): Promise<void> {
    return this.store.probe();
  }

  onApplicationShutdown(): void {
    this.keyFile.close();
  }

  /** Where a session is written now. */
  private writtenOf(places: readonly Place[]): number {
    const isPlain = Date.now() < this.sealFrom && places.at(-1) instanceof PlainPlace;
    return isPlain ? places.length - 1 : this.keyFile.keys.written;
  }

  /** The newest first. */
  private placesOf(key: string, withPlain: boolean): Place[] {
    const { keys } = this.keyFile;
    const places: Place[] = keys.rows.map((secret) => new SealedPlace(key, secret, keys));
    if (withPlain && PlainPlace.mayHold(key)) places.push(new PlainPlace(key));
    return places;
  }

  /** What is renewed again and again is otherwise never written: where it lies, and what opens it, could never go. */
  private async touchAmong(
    places: readonly Place[],
    ttlSeconds: number,
    trace?: RequestTrace,
  ): Promise<Session | undefined> {
    const written = this.writtenOf(places);
    for (const [i, place] of places.entries()) {
      const kept = Math.min(i, written);
      const renewalOf = (stored: Buffer): Renewal | undefined => resealed(stored, place, places[kept]!);
      const stored = await this.store.touch(place.row, ttlSeconds, trace, renewalOf);
      if (!stored) continue;
      await this.shorten(places.slice(kept + 1), ttlSeconds, trace);
      return this.opened(stored, place);
    }
    return undefined;
  }

  /** What a row hides must not come to light when that row expires. By a touch, as that undoes nothing written since. */
  private async shorten(hidden: readonly Place[], ttlSeconds: number, trace?: RequestTrace): Promise<void> {
    if (ttlSeconds === 0 || ttlSeconds >= this.longestTtlSeconds) return;
    for (const { row } of hidden) {
      const stored = await this.store.get(row, trace);
      const outlives = stored && (stored.ttlSeconds === 0 || stored.ttlSeconds > ttlSeconds);
      if (outlives) await this.store.touch(row, ttlSeconds, trace);
    }
  }

  /** No condition can be held to several rows at once. */
  private onlyPlaceOf(key: string): Place {
    const [place, ...others] = this.placesOf(key, Date.now() < this.readUnencryptedUntil);
    if (others.length === 0) return place!;
    throw new StorageError('unavailable', SEVERAL_PLACES);
  }

  /** Writes by what the values say that are stored. What cannot be opened the store would take for a failure of its own. */
  private async judging<T>(
    condition: Condition,
    place: Place,
    write: (judge: Condition) => Promise<T>,
  ): Promise<T> {
    if (typeof condition !== 'function') return write(condition);
    let fault: Error | undefined;
    const did = await write((stored) => {
      try {
        return condition(this.open(stored, place));
      } catch (error) {
        fault = error as Error;
        return false;
      }
    });
    if (fault) throw fault;
    return did;
  }

  private async find(places: readonly Place[], trace?: RequestTrace): Promise<Session | undefined> {
    for (const place of places) {
      const stored = await this.store.get(place.row, trace);
      if (stored) return this.opened(stored, place);
    }
    return undefined;
  }

  private opened({ value, ttlSeconds }: Session, place: Place): Session {
    return { value: this.open(value, place), ttlSeconds };
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

/** As it would be written now; what cannot be opened stays as it is. */
function resealed(stored: Buffer, from: Place, to: Place): Renewal | undefined {
  try {
    return { key: to.row, value: to.seal(from.open(stored).value) };
  } catch (error) {
    if (error instanceof UnopenableValue) return undefined;
    throw error;
  }
}

function oldestFirst(places: readonly Place[]): string[] {
  return places.map(({ row }) => row).reverse();
}
