/** Seconds' worth of writes that may come at once after a pause. */
const BURST_SECONDS = 10;

/** Bytes that may be written: so many a second, and for a while more than that. */
export class WriteBudget {
  private readonly burst: number;
  /** Below zero after a value that was larger than the burst. */
  private left: number;
  private filledAt = performance.now();

  constructor(readonly bytesPerSecond: number) {
    this.burst = bytesPerSecond * BURST_SECONDS;
    this.left = this.burst;
  }

  /** How long a value of this size has to wait; one that is larger than the burst waits for no more than all of it. */
  secondsUntil(bytes: number): number {
    this.fill();
    return Math.max(0, Math.min(bytes, this.burst) - this.left) / this.bytesPerSecond;
  }

  take(bytes: number): void {
    this.left -= bytes;
  }

  /** What was taken, and not written after all. */
  giveBack(bytes: number): void {
    this.left += bytes;
  }

  private fill(): void {
    const now = performance.now();
    const gained = ((now - this.filledAt) / 1_000) * this.bytesPerSecond;
    this.left = Math.min(this.burst, this.left + gained);
    this.filledAt = now;
  }
}
