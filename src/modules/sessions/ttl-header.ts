import type { IncomingHttpHeaders } from 'node:http';
import type { Settings } from '../../config/settings.js';
import { Problem } from '../../problems/problem.js';

/** Lives of values: of a request that which it wants, of an answer what is left; in whole seconds, and 0 is for ever. */
export const TTL_HEADER = 'kask-ttl';

/** The life that a write gives its value. */
export class TtlHeader {
  private readonly least: number;

  constructor(private readonly settings: Pick<Settings, 'default_ttl' | 'max_ttl'>) {
    this.least = settings.default_ttl === 0 ? 0 : 1;
  }

  /** Throws the 400 of one that may not be. */
  secondsOf(headers: IncomingHttpHeaders): number {
    const text = headers[TTL_HEADER];
    if (text === undefined) return this.settings.default_ttl;
    const seconds = /^\d{1,9}$/.test(String(text)) ? Number(text) : NaN;
    if (seconds >= this.least && seconds <= this.settings.max_ttl) return seconds;
    const bounds = `from ${this.least} to ${this.settings.max_ttl}`;
    throw new Problem('bad_request', `Kask-TTL is no whole number of seconds ${bounds}`);
  }
}
