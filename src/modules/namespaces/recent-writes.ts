import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Injectable } from '@nestjs/common';
import { LogKey } from '../sessions/log-key.js';
import { SessionHash } from '../sessions/session-hash.js';

/** Sessions that are remembered at most, in 48 bytes each; its hash says among which eight a session has its place. */
const PLACES = 16_384;
const WAYS = 8;
/** Writes are counted in windows of this length, in ms: in the one that is on and the one before. */
const WINDOW_MS = 600_000;
const MOST_SHOWN = 50;
/** In place of a checksum. */
const UNKNOWN = 0;
/** Of half a hash. */
const DIGITS = 8;

/** The sessions that are rewritten most. */
export interface Top {
  /** RFC 3339. */
  since: string;
  /** Whose secret made the hashes: that of the log, or one that nobody has. */
  hashed_with: 'log_key_file' | 'a secret of this process';
  writes: number;
  bytes: number;
  sessions: RewrittenSession[];
}

export interface RewrittenSession {
  /** Its keyed hash. */
  session: string;
  namespace: string;
  writes: number;
  bytes: number;
  /** Of all writes, from 0 to 1. */
  share: number;
}

class Window {
  writes = 0;
  bytes = 0;
  readonly writesTo = new Uint32Array(PLACES);
  readonly bytesTo = new Float64Array(PLACES);

  /** @param startedAt of `performance.now()`, in ms */
  constructor(readonly startedAt: number) {}

  count(place: number, bytes: number): void {
    this.writes++;
    this.bytes += bytes;
    (this.writesTo[place] as number)++;
    (this.bytesTo[place] as number) += bytes;
  }

  /** The place is another session's from now on. */
  clear(place: number): void {
    this.writesTo[place] = 0;
    this.bytesTo[place] = 0;
  }
}

/**
 * The last value of each of some thousand sessions, and how often they were written: those that are written most stay.
 * Of keys there are keyed hashes alone, and of values checksums of their entity tags.
 */
@Injectable()
export class RecentWrites {
  private readonly own = new LogKey(randomBytes(32));
  /** The id of the secret that made the hashes. */
  private secret = '';
  private readonly high = new Uint32Array(PLACES);
  private readonly low = new Uint32Array(PLACES);
  private readonly checksums = new Uint32Array(PLACES);
  /** Of the last write to each, as a number of writes. */
  private readonly times = new Uint32Array(PLACES);
  private readonly namespaces = new Array<string>(PLACES).fill('');
  private time = 0;
  private before = new Window(performance.now());
  private window = new Window(performance.now());

  constructor(private readonly sessionHash: SessionHash) {}

  /**
   * Whether a value is another one than the last; nothing if that is not known.
   *
   * @param bytes its size
   * @param tag what tells it from others
   */
  record(key: string, bytes: number, tag: string, namespace: string): 'changed' | 'unchanged' | undefined {
    this.keepUp();
    const hash = this.hash(key);
    const place = this.find(hash) ?? this.make(hash);
    const last = this.checksums[place];
    const checksum = crc32(tag) || 1;
    this.checksums[place] = checksum;
    this.times[place] = ++this.time;
    this.namespaces[place] = namespace;
    this.window.count(place, bytes);
    if (last === UNKNOWN) return undefined;
    return last === checksum ? 'unchanged' : 'changed';
  }

  /** A value that comes after a delete is a change, whatever it is. */
  forget(key: string): void {
    this.keepUp();
    const place = this.find(this.hash(key));
    if (place !== undefined) this.checksums[place] = UNKNOWN;
  }

  top(): Top {
    this.keepUp();
    const { before, window } = this;
    const writes = before.writes + window.writes;
    const rewritten = [...this.times.keys()].filter((place) => this.writesTo(place) > 1);
    rewritten.sort((a, b) => this.writesTo(b) - this.writesTo(a));
    return {
      since: new Date(Date.now() - (performance.now() - before.startedAt)).toISOString(),
      hashed_with: this.secret === this.own.id ? 'a secret of this process' : 'log_key_file',
      writes,
      bytes: before.bytes + window.bytes,
      sessions: rewritten.slice(0, MOST_SHOWN).map((place) => ({
        session: `${this.secret}-${hexadecimal(this.high[place]!)}${hexadecimal(this.low[place]!)}`,
        namespace: this.namespaces[place]!,
        writes: this.writesTo(place),
        bytes: before.bytesTo[place]! + window.bytesTo[place]!,
        share: this.writesTo(place) / writes,
      })),
    };
  }

  /** With another secret every session has another hash. */
  private keepUp(): void {
    const secret = this.sessionHash.id ?? this.own.id;
    if (secret !== this.secret) this.startOver(secret);
    else this.turnWindow();
  }

  private hash(key: string): Hash {
    const hash = this.sessionHash.of(key) ?? this.own.hash(key);
    return { high: parseInt(hash.slice(-2 * DIGITS, -DIGITS), 16), low: parseInt(hash.slice(-DIGITS), 16) };
  }

  private startOver(secret: string): void {
    this.secret = secret;
    this.high.fill(0);
    this.low.fill(0);
    this.times.fill(0);
    this.before = new Window(performance.now());
    this.window = new Window(performance.now());
  }

  private turnWindow(): void {
    const now = performance.now();
    const age = now - this.window.startedAt;
    if (age < WINDOW_MS) return;
    this.before = age < 2 * WINDOW_MS ? this.window : new Window(now);
    this.window = new Window(now);
  }

  private find({ high, low }: Hash): number | undefined {
    const first = firstWay(low);
    for (let place = first; place < first + WAYS; place++)
      if (this.low[place] === low && this.high[place] === high) return place;
    return undefined;
  }

  /** In the place of the one that is written least, and of those of the one that was not written for longest. */
  private make({ high, low }: Hash): number {
    const first = firstWay(low);
    let least = first;
    for (let place = first + 1; place < first + WAYS; place++) {
      const fewer = this.writesTo(place) - this.writesTo(least);
      if (fewer < 0 || (fewer === 0 && this.times[place]! < this.times[least]!)) least = place;
    }
    this.high[least] = high;
    this.low[least] = low;
    this.checksums[least] = UNKNOWN;
    this.before.clear(least);
    this.window.clear(least);
    return least;
  }

  private writesTo(place: number): number {
    return this.before.writesTo[place]! + this.window.writesTo[place]!;
  }
}

/** The 64 bits of a session's keyed hash, as BigInt is slow. */
interface Hash {
  high: number;
  low: number;
}

function firstWay(low: number): number {
  return (low * WAYS) % PLACES;
}

function hexadecimal(half: number): string {
  return half.toString(16).padStart(DIGITS, '0');
}
