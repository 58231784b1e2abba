/** Bytes before the value: when it expires, in ms since the epoch, big-endian. */
const HEADER_BYTES = 8;

export const NEVER = 0;

export function encodeRecord(value: Buffer, expiresAt: number): Buffer {
  const record = Buffer.allocUnsafe(HEADER_BYTES + value.length);
  record.writeBigUInt64BE(BigInt(expiresAt));
  value.copy(record, HEADER_BYTES);
  return record;
}

export function valueOf(record: Buffer): Buffer {
  return record.subarray(HEADER_BYTES);
}

export function expiryOf(record: Buffer): number {
  return Number(record.readBigUInt64BE());
}

export function isExpired(record: Buffer, now: number): boolean {
  const expiresAt = expiryOf(record);
  return expiresAt !== NEVER && expiresAt <= now;
}

/** Sorts by time, then by session. Without a session: before every entry of that time. */
export function expiryKey(expiresAt: number, session: Buffer = Buffer.alloc(0)): Buffer {
  return encodeRecord(session, expiresAt);
}

export function sessionOfExpiryKey(key: Buffer): Buffer {
  return valueOf(key);
}
