import type { Logger } from 'pino';

/** Lines a second that a peer can cause, of each kind; as many may come at once. */
const LINES_A_SECOND = 50;
const WINDOW_MS = 1_000;

type Level = 'warn' | 'error';

/**
 * Writes lines that a peer can cause at will: so many a second, and one that tells how many more there were. What each of
 * those was about, metrics count.
 */
export class LogBudget {
  private written = 0;
  private leftOut = 0;
  private end: NodeJS.Timeout | undefined;

  constructor(private readonly logger: Logger) {}

  /** Whether a line may be written now; it is counted either way. */
  hasRoom(): boolean {
    this.end ??= setTimeout(() => this.tell(), WINDOW_MS).unref();
    if (this.written < LINES_A_SECOND) return ++this.written > 0;
    this.leftOut++;
    return false;
  }

  write(level: Level, line: { msg: string } & Record<string, unknown>): void {
    if (this.hasRoom()) this.logger[level](line);
  }

  private tell(): void {
    const { leftOut } = this;
    this.end = undefined;
    this.written = this.leftOut = 0;
    if (leftOut > 0) this.logger.warn({ msg: 'lines like those before were not logged', lines: leftOut });
  }
}
