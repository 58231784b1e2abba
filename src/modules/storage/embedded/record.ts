/**
 * A row of `sessions`: a byte that tells its layout, one of nothing, and when the session expires; two of nothing, and
 * the time of its entry among the expiries; the value. Times are in ms since the epoch, big-endian.
 * In rows of format 1 the first time has all eight bytes, so they begin with 0; the second was the same, and is not
 * there.
 */
const HEADER_BYTES = 16;
const HEADER_BYTES_1 = 8;
const LAYOUT = 2;
const EXPIRES_AT = 2;
const ENTRY_AT = 10;
const TIME_BYTES = 6;

export const NEVER = 0;

export function encodeRecord(value: Buffer, expiresAt: number, entryAt = expiresAt): Buffer {
  const record = Buffer.allocUnsafe(HEADER_BYTES + value.length).fill(0, 0, HEADER_BYTES);
  record[0] = LAYOUT;
  record.writeUIntBE(expiresAt, EXPIRES_AT, TIME_BYTES);
  record.writeUIntBE(entryAt, ENTRY_AT, TIME_BYTES);
  value.copy(record, HEADER_BYTES);
  return record;
}

export function valueOf(record: Buffer): Buffer {
  return record.subarray(record[0] === LAYOUT ? HEADER_BYTES : HEADER_BYTES_1);
}

export function expiryOf(record: Buffer): number {
  return record.readUIntBE(EXPIRES_AT, TIME_BYTES);
}

/** The time of the session's entry among the expiries when it was written: its expiry, or earlier. */
export function entryOf(record: Buffer): number {
  return record.readUIntBE(record[0] === LAYOUT ? ENTRY_AT : EXPIRES_AT, TIME_BYTES);
}

export function isExpired(record: Buffer, now: number): boolean {
  const expiresAt = expiryOf(record);
  return expiresAt !== NEVER && expiresAt <= now;
}

/** Sorts by time, then by session. Without a session: before every entry of that time. */
export function entryKey(at: number, session: Buffer = Buffer.alloc(0)): Buffer {
  const key = Buffer.alloc(8 + session.length);
  key.writeUIntBE(at, 2, TIME_BYTES);
  session.copy(key, 8);
  return key;
}

export function sessionOfEntry(entry: Buffer): Buffer {
  return entry.subarray(8);
}
