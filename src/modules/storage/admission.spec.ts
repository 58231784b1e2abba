import { Admission } from './admission.js';

let now: number;
let admission: Admission;
let refused: number;
/** When each was asked that is in flight. */
let queue: number[];

beforeEach(() => {
  now = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
  admission = new Admission();
  refused = 0;
  queue = [];
});

afterEach(() => jest.restoreAllMocks());

/**
 * A storage that does so many a second, however many it has in flight, and each no quicker than `leastMs`, asked so many
 * times a second. Returns how many it did within the time limit of a request, a second.
 */
function load(
  seconds: number,
  { does, asked, leastMs }: { does: number; asked: number; leastMs: number },
): number {
  const STEP_MS = 10;
  const inTime = { count: 0 };
  const end = now + seconds * 1_000;
  for (let owed = 0; now < end; now += STEP_MS) {
    for (let i = 0; i < (asked * STEP_MS) / 1_000; i++) {
      if (admission.isFull) refused++;
      else {
        admission.begin();
        queue.push(now);
      }
    }
    for (owed += (does * STEP_MS) / 1_000; owed >= 1 && now - (queue[0] ?? now) >= leastMs; owed--) {
      const ms = now - (queue.shift() as number);
      if (ms <= 1_000) inTime.count++;
      admission.end(now, ms);
    }
    owed = Math.min(owed, does / 10);
  }
  return inTime.count / seconds;
}

describe('admission', () => {
  it('admits 1,024 at first, and another when one has ended', () => {
    for (let i = 0; i < 1_024; i++) admission.begin();
    expect(admission.isFull).toBe(true);
    admission.end(1, 1);
    expect(admission.isFull).toBe(false);
  });

  it('refuses nobody while the storage keeps up, and its limit stays', () => {
    load(60, { does: 5_000, asked: 1_000, leastMs: 10 });
    expect([refused, admission.limit]).toEqual([0, 1_024]);
  });

  it('refuses nobody because the storage is slow by itself', () => {
    load(60, { does: 5_000, asked: 100, leastMs: 900 });
    expect(refused).toBe(0);
  });

  it('does not throttle a storage that takes its time however little it has to do', () => {
    load(60, { does: 100_000, asked: 8_000, leastMs: 120 });
    refused = 0;
    expect(load(10, { does: 100_000, asked: 8_000, leastMs: 120 })).toBeGreaterThan(7_900);
    expect(refused).toBe(0);
  });

  it('grows while it is reached and answers are quick, up to 2,048', () => {
    load(30, { does: 100_000, asked: 60_000, leastMs: 40 });
    expect(admission.limit).toBe(2_048);
    refused = 0;
    load(10, { does: 100_000, asked: 30_000, leastMs: 40 });
    expect(refused).toBe(0);
  });

  it.each([500, 2_000, 10_000])('keeps what is done in time near the %d/s that can be done', (does) => {
    load(10, { does, asked: 3 * does, leastMs: 10 });
    expect(load(30, { does, asked: 3 * does, leastMs: 10 })).toBeGreaterThan(0.9 * does);
  });

  it('has no less than 64 in flight, and comes back from there within seconds', () => {
    load(60, { does: 50, asked: 1_000, leastMs: 10 });
    expect(admission.limit).toBe(64);
    load(20, { does: 100_000, asked: 20_000, leastMs: 20 });
    refused = 0;
    load(5, { does: 100_000, asked: 10_000, leastMs: 20 });
    expect(refused).toBe(0);
  });
});
