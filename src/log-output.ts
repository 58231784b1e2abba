import { writeSync } from 'node:fs';

/** More than this is not kept for a reader who is slow, in bytes: what comes then is lost. */
const MAX_WAITING_BYTES = 256 * 1024;
const RETRY_MS = 20;
/** At the end of the process a slow reader has so long to take what still waits, in ms. */
const LAST_CHANCE_MS = 500;

const NOTHING = Buffer.alloc(0);
const NEWLINE = Buffer.from('\n');

/**
 * Writes log lines at once, and never at the cost of the service: a reader who is slow is waited for in the
 * background, and lines that cannot be written (the disk is full, the reader is gone) are dropped. Not pino's own
 * destination, which would end the process on such an error, and hang it at its exit.
 */
export class LogOutput {
  /** Lines that were lost, whole or in part. */
  dropped = 0;
  private waiting: Buffer = NOTHING;
  private retry: NodeJS.Timeout | undefined;
  private tornLine = false;

  constructor(private readonly fd: number) {
    process.once('exit', () => this.flushAtExit());
  }

  write(line: string): void {
    if (this.waiting.length > MAX_WAITING_BYTES) return void this.dropped++;
    this.waiting = Buffer.concat([this.waiting, Buffer.from(line)]);
    if (!this.retry) this.flush();
  }

  private flush(): void {
    this.retry = undefined;
    try {
      while (this.waiting.length > 0) this.take(writeSync(this.fd, this.waiting));
    } catch (error) {
      if (isBusy(error)) this.retry = setTimeout(() => this.flush(), RETRY_MS).unref();
      else this.drop();
    }
  }

  private take(bytes: number): void {
    this.tornLine = this.waiting[bytes - 1] !== NEWLINE[0];
    this.waiting = this.waiting.subarray(bytes);
  }

  /** What was written of a line ends there, so that the next one is whole. */
  private drop(): void {
    this.dropped += linesIn(this.waiting);
    this.waiting = this.tornLine ? NEWLINE : NOTHING;
  }

  private flushAtExit(): void {
    clearTimeout(this.retry);
    const end = Date.now() + LAST_CHANCE_MS;
    for (this.flush(); this.retry && Date.now() < end; this.flush()) pause(RETRY_MS);
  }
}

/** A newline alone ends what is lost already. */
function linesIn(text: Buffer): number {
  return text.toString('latin1').split('\n').length - 1 - (text[0] === NEWLINE[0] ? 1 : 0);
}

function isBusy(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EAGAIN';
}

/** Nothing asynchronous happens any more while a process exits. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
