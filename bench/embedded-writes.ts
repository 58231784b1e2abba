import { randomBytes } from 'node:crypto';
import { constants, fdatasync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { key, openStore } from './embedded-store.js';

// Durable writes a second of the embedded store, from few writers to many, beside what the disk allows in the same
// seconds; and reads. Each writer waits for its write before the next.
// The store is made in the directory that is given, or in that for temporary files; it takes 1 GB and is removed.

const WRITERS = [1, 32, 128, 512, 1_024];
const SESSIONS = [10_000, 100_000];
const VALUE_BYTES = 1024;
const DAY = 86_400;
const TURNS = 8;
const TURN_MS = 250;
const FILLED_AT_ONCE = 1_000;

/** A page of LMDB, and the root that it writes last. */
const PAGE_BYTES = 4096;
const ROOT_BYTES = 120;
/** Of the file whose pages are written over to see what the disk allows. */
const PAGES = 64 * 1024;
const APPENDED_BYTES = 256;

const sync = promisify(fdatasync);
const bytes = randomBytes(1024 * 1024);
const directory = mkdtempSync(path.join(process.argv[2] ?? tmpdir(), 'kask-writes-'));
try {
  const disk = await openPages();
  for (const sessions of SESSIONS) await measure(sessions, disk);
} finally {
  rmSync(directory, { recursive: true });
}

async function measure(sessions: number, disk: Disk): Promise<void> {
  const store = openStore(path.join(directory, String(sessions)));
  const write = (session: string): Promise<void> => store.set(session, someValue(), DAY);
  await fill(sessions, write);
  print(`${sessions} keys`, '', '', '', 'rewritten', '', '', 'new');
  print(
    'at once',
    'flushes/s',
    'commits/s',
    'limit/s',
    'writes/s',
    'of limit',
    'CPU µs',
    'writes/s',
    'of limit',
    'CPU µs',
  );
  let serial = sessions;
  for (const writers of WRITERS) {
    const [flushes, commits, rewritten, fresh] = await perSecond(
      { atOnce: 1, operation: () => appendAndFlush(disk) },
      { atOnce: 1, operation: () => writePages(disk, writers) },
      { atOnce: writers, operation: () => write(key(Math.floor(Math.random() * sessions))) },
      { atOnce: writers, operation: () => write(key(serial++)) },
    );
    const limit = writers * commits.rate;
    const columns = [rewritten, fresh].flatMap(({ rate, cpu }) => [rate, percent(rate / limit), cpu]);
    print(writers, flushes.rate, commits.rate, limit, ...columns);
  }
  const read = (): Promise<unknown> => store.get(key(Math.floor(Math.random() * sessions)));
  const [reads] = await perSecond({ atOnce: 1, operation: read });
  print('reads/s', reads.rate);
  await store.onApplicationShutdown();
}

async function fill(sessions: number, write: (session: string) => Promise<void>): Promise<void> {
  for (let start = 0; start < sessions; start += FILLED_AT_ONCE)
    await Promise.all(Array.from({ length: FILLED_AT_ONCE }, (_, i) => write(key(start + i))));
}

interface Disk {
  pages: number;
  /** The same file; what is written through this is on disk when the call returns. */
  root: number;
  log: number;
}

async function openPages(): Promise<Disk> {
  const file = path.join(directory, 'pages');
  const pages = openSync(file, 'w');
  // Page by page, as the kernel keeps together in its cache what was written together, and then writes it out slower.
  for (let page = 0; page < PAGES; page++) writeSync(pages, bytes, 0, PAGE_BYTES, page * PAGE_BYTES);
  await sync(pages);
  const root = openSync(file, constants.O_WRONLY | constants.O_DSYNC);
  return { pages, root, log: openSync(path.join(directory, 'log'), 'a') };
}

/** The least that makes anything durable. */
async function appendAndFlush({ log }: Disk): Promise<void> {
  writeSync(log, bytes, 0, APPENDED_BYTES);
  await sync(log);
}

/** The least that LMDB can do for so many writes: a page for each, wherever it has one, one flush, and its root. */
async function writePages({ pages, root }: Disk, count: number): Promise<void> {
  const offsets = Array.from({ length: count }, () => PAGE_BYTES * Math.floor(Math.random() * PAGES));
  for (const offset of offsets.sort((a, b) => a - b)) writeSync(pages, bytes, 0, PAGE_BYTES, offset);
  await sync(pages);
  writeSync(root, bytes, 0, ROOT_BYTES, 0);
}

interface Work {
  /** How many do it, each again and again. */
  atOnce: number;
  operation: () => Promise<unknown>;
}

interface Result {
  rate: number;
  /** µs of CPU time of all threads for each. */
  cpu: number;
}

/** How often each is done in a second. They take turns, as a disk that others use is another one seconds later. */
async function perSecond<T extends Work[]>(...works: T): Promise<{ [I in keyof T]: Result }> {
  const totals = works.map(() => ({ done: 0, seconds: 0, cpu: 0 }));
  for (let turn = 0; turn < TURNS; turn++)
    for (const [i, work] of works.entries()) {
      const total = totals[i] as (typeof totals)[number];
      const start = performance.now();
      const cpu = process.cpuUsage();
      total.done += await repeat(work, start + TURN_MS);
      total.seconds += (performance.now() - start) / 1000;
      const { user, system } = process.cpuUsage(cpu);
      total.cpu += user + system;
    }
  return totals.map(({ done, seconds, cpu }) => ({ rate: done / seconds, cpu: cpu / done })) as {
    [I in keyof T]: Result;
  };
}

async function repeat({ atOnce, operation }: Work, end: number): Promise<number> {
  let done = 0;
  const one = async (): Promise<void> => {
    for (; performance.now() < end; done++) await operation();
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return done;
}

function someValue(): Buffer {
  const offset = Math.floor(Math.random() * (bytes.length - VALUE_BYTES));
  return bytes.subarray(offset, offset + VALUE_BYTES);
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

function print(...cells: (string | number)[]): void {
  const text = (cell: string | number): string =>
    typeof cell === 'number' ? Math.round(cell).toLocaleString('en') : cell;
  process.stdout.write(`${cells.map((cell) => text(cell).padStart(14)).join('')}\n`);
}
