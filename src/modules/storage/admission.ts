/** At the start, and the least and most that it becomes. */
const LIMIT = { first: 1_024, least: 64, most: 2_048 };
/**
 * When half of the answers take so many times as long as it usually takes, the storage has more in flight than it can do;
 * never when that is less than the least, and always when it is more than the most, in ms.
 */
const SLOW = { times: 2, leastMs: 100, mostMs: 500 };
/** What is usual follows what gets slower by itself, by so much with each look. */
const FORGET = 1.01;
/** From one look to the next, at least, in ms and answers. */
const WINDOW = { ms: 100, ended: 20 };
const LESS = 0.8;
const MORE = 1.05;
/** Of the limit; below, it is not what holds anybody up, and says nothing about the storage. */
const REACHED = 0.9;

/**
 * How many operations may be in flight: as many as the storage sustains. What is beyond is refused at once, as by
 * Little's law it would only wait: behind more than can be answered in time, everybody would wait for nothing.
 *
 * The limit moves only while it is reached: down when most answers are slow, up when they are not (additive increase would
 * take minutes back from an outage, so both are by factors). A storage that is slow by itself, with little in flight, is
 * not throttled for that.
 */
export class Admission {
  limit = LIMIT.first;
  inFlight = 0;
  private since = performance.now();
  private ended = 0;
  private slow = 0;
  private sumMs = 0;
  private usualMs = SLOW.leastMs / SLOW.times;
  private most = 0;

  get isFull(): boolean {
    return this.inFlight >= this.limit;
  }

  begin(): void {
    this.inFlight++;
    if (this.inFlight > this.most) this.most = this.inFlight;
  }

  /** `now` of `performance.now()`, and how long the operation took, in ms. */
  end(now: number, ms: number): void {
    this.inFlight--;
    this.ended++;
    this.sumMs += ms;
    if (ms > this.slowMs) this.slow++;
    if (this.ended >= WINDOW.ended && now - this.since >= WINDOW.ms) this.look(now);
  }

  private get slowMs(): number {
    return Math.min(Math.max(SLOW.times * this.usualMs, SLOW.leastMs), SLOW.mostMs);
  }

  private look(now: number): void {
    if (this.most >= this.limit * REACHED) {
      const isSlow = this.slow * 2 > this.ended;
      const limit = Math.round(this.limit * (isSlow ? LESS : MORE));
      this.limit = Math.min(Math.max(limit, LIMIT.least), LIMIT.most);
    }
    this.usualMs = Math.min(this.usualMs * FORGET, this.sumMs / this.ended);
    this.since = now;
    this.ended = this.slow = this.sumMs = 0;
    this.most = this.inFlight;
  }
}
