import type { DrawnKey } from '../endurance/session-client.js';
import type { Random } from '../endurance/random.js';

const KEYS = 40;
/** So many times the TTL a key is written to; then it is only read. */
const LIFE = 2;
const REST = 3;
const REST_SHARE = 0.15;

/**
 * Sessions that all clients share. Now and then the oldest is left to expire and a new one takes its place; some are asked
 * for often and some seldom, so that a session may expire between two writes as well.
 */
export class SessionKeys {
  private readonly began = performance.now();

  constructor(
    private readonly name: string,
    private readonly ttlMs: number,
  ) {}

  draw(random: Random): DrawnKey {
    const first = Math.floor((performance.now() - this.began) / ((this.ttlMs * LIFE) / KEYS));
    const resting = Math.min(first, (KEYS * REST) / LIFE);
    if (resting > 0 && random.chance(REST_SHARE))
      return { key: this.key(first - random.between(1, resting)), isOnlyRead: true };
    return { key: this.key(first + Math.floor(random.next() ** 2 * KEYS)) };
  }

  private key(number: number): string {
    return `${this.name}:${number}`;
  }
}
