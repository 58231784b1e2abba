import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Goes with the process that it is for: see PeerProcess. */
export function ownDirectory(): string {
  return mkdtempSync(path.join(tmpdir(), 'kask-bench-'));
}
