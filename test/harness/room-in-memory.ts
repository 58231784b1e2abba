import { existsSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';

const MEMORY = '/dev/shm';

/** A folder in memory where so many bytes have room, else one on disk: who waits for a disk at each write may stall for seconds. */
export function roomInMemory(bytes: number): string {
  if (!existsSync(MEMORY)) return tmpdir();
  const { bavail, bsize } = statfsSync(MEMORY);
  return bavail * bsize > bytes ? MEMORY : tmpdir();
}
