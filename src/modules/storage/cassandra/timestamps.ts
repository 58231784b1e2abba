import { Injectable } from '@nestjs/common';

/** Between two timestamps there is room for that of a touch, which is of the microsecond after what it renews. */
const STEP = 2;

/**
 * Timestamps of writes, in microseconds since the epoch: of two writes to a key, Cassandra keeps the one with the
 * later. Each is later than all that this process gave before, also if its clock is set back.
 */
@Injectable()
export class Timestamps {
  private last = 0;

  next(): number {
    return (this.last = this.now());
  }

  /** What the next would be. */
  now(): number {
    return Math.max(this.last + STEP, Date.now() * 1000);
  }
}
