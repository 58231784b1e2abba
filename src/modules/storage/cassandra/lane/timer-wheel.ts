/** Something that ends at a time unless it is removed before. Linked into a slot of a wheel, so both cost the same however many wait. */
export abstract class Expiring {
  /** For the wheel alone. */
  next: Expiring | undefined;
  previous: Expiring | undefined;
  dueTick = 0;

  abstract expire(): void;
}

class Slot extends Expiring {
  override expire(): void {
    throw new Error('the head of a list does not expire');
  }
}

const SLOTS = 512;

/**
 * One timer for all requests instead of one for each: a hashed timing wheel (Varghese and Lauck, 1987). What is due
 * expires up to two ticks late and never early. The wheel stands still while it is empty.
 *
 * It turns to the time of its timer, and only when what came from the network until then was read: where the process stood
 * still, for its collector or because its share of the processor was used up, the answers in its sockets would all be late.
 */
export class TimerWheel {
  private readonly slots = Array.from({ length: SLOTS }, () => new Slot());
  private waiting = 0;
  private tick = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param tickMs how often it looks, in ms */
  constructor(private readonly tickMs: number) {}

  /** @param dueAt a time of `performance.now()`, in ms */
  add(entry: Expiring, dueAt: number): void {
    if (!this.timer) this.start();
    // What is overdue already expires with the next tick: behind the wheel it would wait for a whole revolution.
    entry.dueTick = Math.max(this.tickAt(dueAt), this.tick) + 1;
    const head = this.slots[entry.dueTick % SLOTS] as Slot;
    entry.previous = head;
    entry.next = head.next;
    if (head.next) head.next.previous = entry;
    head.next = entry;
    this.waiting++;
  }

  /** Nothing, if it expired or was removed before. */
  remove(entry: Expiring): void {
    if (!entry.previous) return;
    entry.previous.next = entry.next;
    if (entry.next) entry.next.previous = entry.previous;
    entry.previous = entry.next = undefined;
    this.waiting--;
  }

  private start(): void {
    this.tick = this.tickAt(performance.now());
    this.timer = setInterval(() => {
      const now = this.tickAt(performance.now());
      setImmediate(() => this.turn(now));
    }, this.tickMs).unref();
  }

  private stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private tickAt(now: number): number {
    return Math.floor(now / this.tickMs);
  }

  /** Where the process stood still, every slot is looked at once, however many ticks were missed. */
  private turn(now: number): void {
    if (this.waiting === 0) return this.stop();
    const first = Math.max(this.tick + 1, now - SLOTS + 1);
    this.tick = now; // what is added from here on is due after it
    for (let tick = first; tick <= now; tick++) this.expireSlot(tick, now);
  }

  /** Collected first: what expires may add and remove others. */
  private expireSlot(tick: number, now: number): void {
    const due: Expiring[] = [];
    for (let entry = this.slots[tick % SLOTS]?.next; entry; entry = entry.next)
      if (entry.dueTick <= now) due.push(entry);
    for (const entry of due) {
      if (!entry.previous || entry.dueTick > now) continue;
      this.remove(entry);
      entry.expire();
    }
  }
}
