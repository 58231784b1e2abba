import type { Environment } from './environment.js';
import { encodeRecord, entryKey, entryOf, expiryOf, isExpired, NEVER, sessionOfEntry } from './record.js';

interface Row {
  session: Buffer;
  /** None where it is to be removed. */
  record: Buffer | undefined;
}

const NOTHING = Buffer.alloc(0);

/**
 * What one commit is to write, drafted whole before LMDB is given any of it. Only one draft is under way at a time, so
 * what it reads of the file is what it will be written on.
 *
 * Each session that expires has an entry among the expiries, at its expiry or before it. A write that puts the expiry
 * off leaves the entry where it is, as moving it would be more pages to write than the session itself; its record
 * tells where that is. The sweep that meets an entry too early moves it to the expiry, and leaves the record alone.
 */
export class Draft {
  /** By session. */
  private readonly rows = new Map<string, Row>();
  private readonly entries: { entry: Buffer; put: boolean }[] = [];

  constructor(private readonly environment: Environment) {}

  /** As the writes that were drafted before leave it. */
  recordOf(session: Buffer): Buffer | undefined {
    const row = this.rows.get(session.toString('latin1'));
    return row ? row.record : this.environment.sessions.getBinary(session);
  }

  set(session: Buffer, value: Buffer, expiresAt: number, now: number): void {
    const before = this.recordOf(session);
    const entryAt = before ? entryOf(before) : NEVER;
    if (entryAt > now && entryAt <= expiresAt) {
      this.put(session, encodeRecord(value, expiresAt, entryAt));
      return;
    }
    const record = encodeRecord(value, expiresAt); // before anything is drafted, as it may be more than memory has
    if (before) this.removeEntries(session, before);
    if (expiresAt !== NEVER) this.putEntry(session, expiresAt);
    this.put(session, record);
  }

  delete(session: Buffer): void {
    const before = this.recordOf(session);
    if (before) this.removeEntries(session, before);
    this.put(session, undefined);
  }

  /** Takes an entry away that is due, and with it its session if that has expired; tells whether it has. */
  clear(entry: Buffer, now: number): boolean {
    const session = sessionOfEntry(entry);
    const record = this.recordOf(session);
    this.entries.push({ entry, put: false });
    if (!record) return false;
    const expired = isExpired(record, now);
    if (expired) this.put(session, undefined);
    else if (expiryOf(record) !== NEVER) this.putEntry(session, expiryOf(record));
    return expired;
  }

  /** Resolves when all of it is on disk. */
  async commit(): Promise<void> {
    const { root, sessions, expiries } = this.environment;
    await root.batch(() => {
      for (const { session, record } of this.rows.values())
        void (record ? sessions.put(session, record) : sessions.remove(session));
      for (const { entry, put } of this.entries)
        void (put ? expiries.put(entry, NOTHING) : expiries.remove(entry));
    });
  }

  /** The entry is where the record tells, or at its expiry if a sweep has been there. */
  private removeEntries(session: Buffer, record: Buffer): void {
    for (const at of new Set([entryOf(record), expiryOf(record)]))
      this.entries.push({ entry: entryKey(at, session), put: false });
  }

  private putEntry(session: Buffer, at: number): void {
    this.entries.push({ entry: entryKey(at, session), put: true });
  }

  private put(session: Buffer, record: Buffer | undefined): void {
    this.rows.set(session.toString('latin1'), { session, record });
  }
}
