import type { SessionExchange } from './session-exchange.js';
import { ValuesUnderway } from './values-underway.js';

const KIBIBYTE = 1_024;
const MEBIBYTE = 1_048_576;

/** Begun so long ago, in ms; we wait for its client unless the test says otherwise. */
function begun(msAgo: number, waitsForClient = true): SessionExchange {
  return { startedAt: performance.now() - msAgo, waitsForClient } as SessionExchange;
}

describe('values on their way', () => {
  let cut: SessionExchange[];
  let underway: ValuesUnderway;
  beforeEach(() => {
    cut = [];
    underway = new ValuesUnderway(8 * MEBIBYTE, (exchange) => cut.push(exchange));
  });

  it('that are small have room for thousands; past that the slowest client is cut', () => {
    const all = Array.from({ length: 257 }, () => begun(1));
    for (const each of all) expect(underway.hold(each, 64 * KIBIBYTE)).toBe(true);
    expect(cut).toEqual([all[0]]);
  });

  it('that are small are not cut once they are whole', () => {
    for (let i = 0; i < 1_000; i++) {
      const exchange = begun(1);
      expect(underway.hold(exchange, 64 * KIBIBYTE)).toBe(true);
      underway.arrived(exchange);
    }
    expect(cut).toEqual([]);
  });

  it('that are large are refused past four of the largest', () => {
    for (let i = 0; i < 4; i++) expect(underway.hold(begun(1), 8 * MEBIBYTE)).toBe(true);
    expect(underway.hold(begun(1), 65 * KIBIBYTE)).toBe(false);
    expect(underway.hold(begun(1), 64 * KIBIBYTE)).toBe(true);
    expect(cut).toEqual([]);
  });

  it('that are large and slow make room for others', () => {
    const slow = [begun(60_000, false), begun(6_000), begun(5_500), begun(1)];
    for (const each of slow) expect(underway.hold(each, 8 * MEBIBYTE)).toBe(true);
    expect(underway.hold(begun(1), 12 * MEBIBYTE)).toBe(true);
    expect(cut).toEqual([slow[1], slow[2]]);
  });

  it('count for what they have come to', () => {
    const growing = begun(1);
    for (let size = KIBIBYTE; size <= 32 * MEBIBYTE; size *= 2)
      expect(underway.hold(growing, size)).toBe(true);
    expect(underway.hold(begun(1), 65 * KIBIBYTE)).toBe(false);
    underway.release(growing);
    expect(underway.hold(begun(1), 32 * MEBIBYTE)).toBe(true);
  });
});
