import { WriteBudget } from './write-budget.js';

let now: number;
let budget: WriteBudget;

beforeEach(() => {
  now = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
  budget = new WriteBudget(1_000);
});

afterEach(() => jest.restoreAllMocks());

/** Writes as many of this size as may be written now. */
function writeAll(bytes: number): number {
  let written = 0;
  for (; budget.secondsUntil(bytes) === 0; written++) budget.take(bytes);
  return written;
}

describe('a budget', () => {
  it('of ten seconds may be spent at once, and then as much a second as it says', () => {
    expect(writeAll(100)).toBe(100);
    expect(budget.secondsUntil(100)).toBeCloseTo(0.1);
    now += 2_000;
    expect(writeAll(100)).toBe(20);
  });

  it('holds over any time, whatever the sizes', () => {
    let written = 0;
    for (; now < 3_600_000; now += 7) {
      const bytes = (now * 7_919) % 5_003;
      if (budget.secondsUntil(bytes) > 0) continue;
      budget.take(bytes);
      written += bytes;
    }
    expect(written).toBeLessThanOrEqual(3_600_000 + 10_000);
    expect(written).toBeGreaterThan(3_500_000);
  });

  it('does not grow past the burst', () => {
    now += 3_600_000;
    expect(writeAll(100)).toBe(100);
  });

  it('lets a value through that is larger than the burst once it is full, and then waits for what that took', () => {
    expect(budget.secondsUntil(50_000)).toBe(0);
    budget.take(50_000);
    expect(budget.secondsUntil(1)).toBeCloseTo(40.001);
    expect(budget.secondsUntil(50_000)).toBeCloseTo(50);
    now += 50_000;
    expect(budget.secondsUntil(50_000)).toBe(0);
  });

  it('that is spent lets nothing begin whose size is not known', () => {
    budget.take(50_000);
    expect(budget.secondsUntil(0)).toBeCloseTo(40);
  });
});
