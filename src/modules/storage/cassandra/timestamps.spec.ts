import { Timestamps } from './timestamps.js';

const NOON = Date.UTC(2026, 0, 1, 12);
const HOUR_MS = 3_600_000;

describe('timestamps', () => {
  let timestamps: Timestamps;
  beforeEach(() => {
    jest.useFakeTimers({ now: NOON });
    timestamps = new Timestamps();
  });
  afterEach(() => jest.useRealTimers());

  it('are the time in microseconds, each later than the one before, with room for a touch between', () => {
    expect([timestamps.next(), timestamps.next()]).toEqual([NOON * 1000, NOON * 1000 + 2]);
    jest.advanceTimersByTime(1);
    expect(timestamps.next()).toBe((NOON + 1) * 1000);
  });

  it('never go back, whether the clock is set forward or back', () => {
    const given = [timestamps.next()];
    for (const shift of [HOUR_MS, -1, -2 * HOUR_MS, 0, 3 * HOUR_MS, -HOUR_MS]) {
      jest.setSystemTime(Date.now() + shift);
      for (let i = 0; i < 3; i++) given.push(timestamps.next());
    }
    expect(given).toEqual([...given].sort((a, b) => a - b));
    expect(new Set(given).size).toBe(given.length);
  });

  it('stay ahead after the clock was set forward and back, until it has caught up', () => {
    jest.setSystemTime(NOON + HOUR_MS);
    const ahead = timestamps.next();
    jest.setSystemTime(NOON);
    expect([timestamps.now(), timestamps.now()]).toEqual([ahead + 2, ahead + 2]);
    expect(timestamps.next()).toBe(ahead + 2);
    jest.setSystemTime(NOON + 2 * HOUR_MS);
    expect(timestamps.next()).toBe((NOON + 2 * HOUR_MS) * 1000);
  });
});
