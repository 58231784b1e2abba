import { Injectable } from '@nestjs/common';

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
    return Math.max(this.last + 1, Date.now() * 1000);
  }
}
