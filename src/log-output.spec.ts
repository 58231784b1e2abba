import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LogOutput } from './log-output.js';

/** More than a pipe holds. */
const MANY = 1_000;
const line = (number: number): string => `${JSON.stringify({ number, text: 'x'.repeat(200) })}\n`;

describe('LogOutput', () => {
  let directory: string;
  let fifo: string;
  let reader: number | undefined;
  let writer: number;
  let output: LogOutput;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'kask-log-output-'));
    fifo = path.join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    openReader();
    writer = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    output = new LogOutput(writer);
  });
  afterEach(() => {
    closeReader();
    closeSync(writer);
    rmSync(directory, { recursive: true });
  });

  const openReader = (): number => (reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK));
  const closeReader = (): void => {
    if (reader !== undefined) closeSync(reader);
    reader = undefined;
  };
  const writeLines = (from: number, count: number): void => {
    for (let number = from; number < from + count; number++) output.write(line(number));
  };

  /** What is in the pipe now. */
  function take(): string {
    let taken = '';
    const buffer = Buffer.alloc(65_536);
    try {
      for (let n = 1; n > 0; taken += buffer.toString('utf8', 0, n))
        n = readSync(reader as number, buffer, 0, buffer.length, null);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
    return taken;
  }

  /** Reads until nothing has come for a while. */
  async function takeAll(): Promise<string> {
    let taken = '';
    for (let idle = 0; idle < 10; idle++) {
      const more = take();
      if (more !== '') idle = 0;
      taken += more;
      await sleep(20);
    }
    return taken;
  }

  const numbersIn = (text: string): number[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((each) => (JSON.parse(each) as { number: number }).number);

  it('has written a line when write returns', () => {
    output.write(line(1));
    expect(take()).toBe(line(1));
  });

  it('loses nothing to a reader who is slow, and keeps the order', async () => {
    writeLines(0, MANY);
    const early = take();
    writeLines(MANY, 10);
    const numbers = numbersIn(early + (await takeAll()));
    expect(numbers).toEqual(Array.from({ length: MANY + 10 }, (_, i) => i));
  });

  it('keeps a bounded amount for a reader who stands still, and only whole lines', async () => {
    writeLines(0, 50 * MANY);
    const numbers = numbersIn(await takeAll());
    expect(numbers.length).toBeGreaterThan(MANY);
    expect(numbers.length).toBeLessThan(3 * MANY);
    expect(numbers).toEqual(numbers.map((_, i) => i));
    expect(numbers.length + output.dropped).toBe(50 * MANY);
    output.write(line(-1));
    expect(numbersIn(take())).toEqual([-1]);
  });

  it('goes on without a reader, and writes to the next one in whole lines', async () => {
    output.write(`${'x'.repeat(100_000)}\n`); // a pipe takes only its beginning
    closeReader();
    await sleep(100);
    output.write(line(0)); // nobody reads it
    expect(output.dropped).toBe(2);
    openReader();
    take();
    writeLines(1, 2);
    expect(take()).toBe(`\n${line(1)}${line(2)}`);
  });

  it('drops what a full disk does not take', () => {
    const full = openSync('/dev/full', 'w');
    const onFullDisk = new LogOutput(full);
    expect(() => onFullDisk.write(line(1))).not.toThrow();
    expect(onFullDisk.dropped).toBe(1);
    closeSync(full);
  });
});
