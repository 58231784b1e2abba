import request from 'supertest';

const INTERVAL_MS = 25;

/** A client that asks for the same URL again and again, one request after the other, and counts what it is answered. */
export class StatusRecord {
  private readonly began = Date.now();
  private readonly events = new Map<number, string>();
  private readonly seconds: Map<number, number>[] = [];
  private stopped = false;
  private readonly finished: Promise<void>;
  /** The longest that an answer took, in ms. */
  slowest = 0;

  constructor(
    private readonly url: string,
    private readonly method: 'get' | 'post' = 'get',
  ) {
    this.finished = this.ask();
    this.finished.catch(() => undefined); // a test that failed does not stop it
  }

  /** Notes what happens to the service in the line of this second. */
  note(event: string): void {
    const earlier = this.events.get(this.second());
    this.events.set(this.second(), earlier ? `${earlier}, ${event}` : event);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.finished;
  }

  statuses(): number[] {
    return [...new Set(this.seconds.flatMap((counts) => [...counts.keys()]))].sort();
  }

  /** One line a second: `3 s  200 × 12, 503 × 25  node killed`. */
  lines(): string[] {
    return Array.from(this.seconds, (counts = new Map<number, number>(), second) => {
      const told = [...counts].sort().map(([status, count]) => `${status} × ${count}`);
      return [`${String(second).padStart(3)} s  ${told.join(', ')}`, this.events.get(second) ?? '']
        .join('  ')
        .trimEnd();
    });
  }

  private async ask(): Promise<void> {
    while (!this.stopped) {
      const asked = Date.now();
      const { status } = await request(this.url)
        [this.method]('')
        .send(this.method === 'post' ? 'Ada' : undefined);
      this.slowest = Math.max(this.slowest, Date.now() - asked);
      const counts = (this.seconds[this.second()] ??= new Map<number, number>());
      counts.set(status, (counts.get(status) ?? 0) + 1);
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    }
  }

  private second(): number {
    return Math.floor((Date.now() - this.began) / 1000);
  }
}
