import type { Environment } from './environment.js';
import type { GroupCommit } from './group-commit.js';
import { entryKey } from './record.js';

const INTERVAL_MS = 1_000;
/** Sessions cleared away by one write, whose draft keeps the event loop from everything else for about 2 ms. */
const MAX_STEP = 250;

export interface SweepReport {
  cleared(sessions: number): void;
  /** Once until a sweep succeeds again. */
  failed(error: unknown): void;
}

/** Clears expired sessions away in the background, in steps between which requests are served. */
export class ExpirySweeper {
  private readonly timer: NodeJS.Timeout;
  private running: Promise<void> | undefined;
  private stopped = false;
  private failing = false;
  private step = MAX_STEP;

  constructor(
    private readonly environment: Environment,
    private readonly commits: GroupCommit,
    private readonly report: SweepReport,
  ) {
    this.timer = setInterval(() => this.turn(), INTERVAL_MS).unref();
  }

  /** Resolves when the step that is under way is done; the rest waits for the next process. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.stopped = true;
    await this.running;
  }

  private turn(): void {
    this.running ??= this.sweep().finally(() => (this.running = undefined));
  }

  private async sweep(): Promise<void> {
    try {
      let more = true;
      while (more && !this.stopped) more = await this.clearStep(Date.now());
      this.failing = false;
    } catch (error) {
      if (!this.failing) this.report.failed(error);
      this.failing = true;
    }
  }

  /** Tells whether there was anything to do. */
  private async clearStep(now: number): Promise<boolean> {
    const entries = this.environment.expiries.getKeys({ end: entryKey(now), limit: this.step });
    const due = [...entries].map((entry) => Buffer.from(entry));
    if (due.length === 0) return false;
    try {
      this.report.cleared(await this.clear(due, now));
      this.step = Math.min(MAX_STEP, this.step * 2);
    } catch (error) {
      // Nearly every session of a step needs a page to be written: a full disk may have room for a smaller step.
      if (this.step === 1) throw error;
      this.step >>= 1;
    }
    return true;
  }

  private async clear(due: Buffer[], now: number): Promise<number> {
    let cleared = 0;
    await this.commits.write((draft, room) => {
      room.takeForClearing(due.length);
      cleared = due.filter((entry) => draft.clear(entry, now)).length;
    });
    return cleared;
  }
}
