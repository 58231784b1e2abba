import { Problem } from '../../problems/problem.js';
import type { SessionExchange } from './session-exchange.js';

/** Values up to this size, in bytes, are ordinary: they don't wait for a few huge ones. */
export const SMALL_BYTES = 64 * 1024;
/** What all of those may take together, in bytes: that of thousands of ordinary ones at once. */
const SMALL_TOGETHER = 16 * 1024 * 1024;
/** What larger ones may take together, in bytes: else a few clients could take all. */
const LARGE_AT_LEAST = 32 * 1024 * 1024;
const LARGE_SHARE = 4;
/** A client with a large one has this long since it asked before it may be cut for another, in ms. */
const PATIENCE_MS = 5_000;

export const TOO_MANY_VALUES = new Problem('unavailable', 'Too many large values are on their way', {
  'retry-after': '1',
});

type Cut = (exchange: SessionExchange) => void;

/** Values that we hold for clients, in one direction: bodies that are not stored yet, or answers that are not taken yet. */
export class ValuesUnderway {
  private readonly small: Budget;
  private readonly large: Budget;

  constructor(maxBytes: number, cut: Cut) {
    this.small = new Budget(SMALL_TOGETHER, 0, cut);
    this.large = new Budget(Math.max(LARGE_AT_LEAST, LARGE_SHARE * maxBytes), PATIENCE_MS, cut);
  }

  /** Counts what a value has come to. For want of room the slowest client is cut; false if there is none to cut. */
  hold(exchange: SessionExchange, size: number): boolean {
    if (size <= SMALL_BYTES) return this.small.hold(exchange, size);
    this.small.release(exchange);
    return this.large.hold(exchange, size);
  }

  /** An ordinary one that is whole is the storage's, which has limits of its own. */
  arrived(exchange: SessionExchange): void {
    this.small.release(exchange);
  }

  release(exchange: SessionExchange): void {
    this.small.release(exchange);
    this.large.release(exchange);
  }
}

class Budget {
  private bytes = 0;
  /** In the order in which they began. */
  private readonly sizes = new Map<SessionExchange, number>();

  constructor(
    private readonly budget: number,
    private readonly patienceMs: number,
    private readonly cut: Cut,
  ) {}

  hold(exchange: SessionExchange, size: number): boolean {
    const more = size - (this.sizes.get(exchange) ?? 0);
    while (this.bytes + more > this.budget) {
      const slowest = this.slowest();
      if (!slowest || slowest === exchange) return false;
      this.release(slowest);
      this.cut(slowest);
    }
    this.bytes += more;
    this.sizes.set(exchange, size);
    return true;
  }

  release(exchange: SessionExchange): void {
    const size = this.sizes.get(exchange);
    if (size === undefined) return;
    this.bytes -= size;
    this.sizes.delete(exchange);
  }

  /** Who has been waited for the longest. */
  private slowest(): SessionExchange | undefined {
    const latest = performance.now() - this.patienceMs;
    for (const exchange of this.sizes.keys()) {
      if (exchange.startedAt > latest) return undefined;
      if (exchange.waitsForClient) return exchange;
    }
    return undefined;
  }
}
