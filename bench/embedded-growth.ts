import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { key, openStore } from './embedded-store.js';

// What an operation of the embedded store costs as the store grows: for each, µs of wall time and of CPU time. The CPU
// time is of all threads, the kernel's work included, and depends less on who else uses the disk.
// The store is made in the directory that is given, or in that for temporary files; it takes 4 GB and is removed.

const SIZES = [10_000, 100_000, 1_000_000];
const DAY = 86_400;
const READS = 200_000;
const SINGLE_WRITES = 2_000;
const GROUPED_WRITES = 20_000;
const GROUP = 64;
const FILLED_AT_ONCE = 1_000;

const bytes = randomBytes(1024 * 1024);

const directory = mkdtempSync(path.join(process.argv[2] ?? tmpdir(), 'kask-growth-'));
const store = openStore(directory);
try {
  await measure();
} finally {
  await store.onApplicationShutdown();
  rmSync(directory, { recursive: true });
}

async function measure(): Promise<void> {
  print('sessions', 'get', 'miss', 'set', `set, ${GROUP} at once`, 'file, MiB');
  let filled = 0;
  for (const size of SIZES) {
    await fill(filled, size);
    filled = size;
    const existing = (): string => key(Math.floor(Math.random() * size));
    print(
      size,
      await microsecondsEach(READS, 1, () => store.get(existing())),
      await microsecondsEach(READS, 1, () => store.get(`${existing()}:absent`)),
      await microsecondsEach(SINGLE_WRITES, 1, () => write(existing())),
      await microsecondsEach(GROUPED_WRITES, GROUP, () => write(existing())),
      Math.round(statSync(path.join(directory, 'data.mdb')).size / 1024 ** 2),
    );
  }
}

async function fill(from: number, to: number): Promise<void> {
  for (let start = from; start < to; start += FILLED_AT_ONCE)
    await Promise.all(Array.from({ length: FILLED_AT_ONCE }, (_, i) => write(key(start + i))));
}

async function microsecondsEach(
  operations: number,
  atOnce: number,
  operation: () => Promise<unknown>,
): Promise<string> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  for (let done = 0; done < operations; done += atOnce)
    await Promise.all(Array.from({ length: atOnce }, operation));
  const wall = 1000 * (performance.now() - start);
  const { user, system } = process.cpuUsage(cpu);
  return [wall, user + system].map((time) => (time / operations).toFixed(1)).join(', ');
}

/** 1 to 2 KiB, as sessions of MediaWiki mostly are. */
function write(session: string): Promise<void> {
  const length = 1024 + Math.floor(Math.random() * 1025);
  const offset = Math.floor(Math.random() * (bytes.length - length));
  return store.set(session, bytes.subarray(offset, offset + length), DAY);
}

function print(...cells: (string | number)[]): void {
  process.stdout.write(`${cells.map((cell) => String(cell).padStart(17)).join('')}\n`);
}
