import type { Asked } from './asked.js';
import { Outcome } from './outcome.js';

const MOMENTS = { began: 0, cause: 1_000, mending: 2_000, gone: 3_000, ended: 4_000 };

const asked = (at: number, ms: number, failure?: string): Asked => ({
  at,
  ms,
  failure,
  datacenter: 'eqiad',
  method: 'GET',
  status: failure ? 503 : 200,
});

describe('the outcome of a scenario', () => {
  it('tells latencies before the cause, while it is there, and after', () => {
    const healthy = Array.from({ length: 100 }, (_, i) => asked(i, i + 1));
    const { before, during, after } = new Outcome('', [...healthy, asked(1_500, 70)], MOMENTS).seen.eqiad;
    expect(before).toEqual({ p50: 50, p99: 99, max: 100 });
    expect(during).toEqual({ p50: 70, p99: 70, max: 70 });
    expect(after).toEqual({ p50: 0, p99: 0, max: 0 });
  });

  it('has recovered when the last request that failed has ended, counted from the end of the cause', () => {
    const all = [asked(1_500, 10, 'GET 503'), asked(3_400, 100, 'GET 503'), asked(3_600, 1)];
    const { secondsToRecover, failures } = new Outcome('', all, MOMENTS).seen.eqiad;
    expect(secondsToRecover).toBe(0.5);
    expect([...failures]).toEqual([['GET 503', 2]]);
  });

  it('has recovered at once where nothing failed since', () => {
    expect(new Outcome('', [asked(1_500, 10, 'GET 503')], MOMENTS).seen.eqiad.secondsToRecover).toBe(0);
  });

  it('leaves out what was asked before and after', () => {
    const { seen } = new Outcome('', [asked(-1, 1), asked(1, 1), asked(4_000, 1)], MOMENTS);
    expect([seen.eqiad.asked.length, seen.codfw.asked.length]).toEqual([1, 0]);
  });
});
