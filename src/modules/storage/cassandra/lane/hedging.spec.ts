import { Hedging } from './hedging.js';

/** So many answers, all but some of them quick. */
function answer(hedging: Hedging, count: number, ms: number, slow = { every: Infinity, ms: 0 }): void {
  for (let i = 1; i <= count; i++) hedging.answered('get', i % slow.every === 0 ? slow.ms : ms);
}

describe('the delay of hedges', () => {
  it('is a guess until there are answers, longer for what waits for another datacenter', () => {
    const hedging = new Hedging();
    expect(['get', 'set', 'delete'].map((each) => hedging.delayOf(each as 'get'))).toEqual([50, 50, 100]);
  });

  it.each([
    ['the latency that 98 of 100 stay below', 40, { every: 100, ms: 900 }, 40, 48],
    ['more where more are slow', 40, { every: 20, ms: 200 }, 200, 240],
    ['no more than 250 ms', 40, { every: 20, ms: 900 }, 250, 250],
    ['no less than 10 ms', 0.5, { every: 100, ms: 900 }, 10, 10],
  ])('is %s', (_, ms, slow, from, to) => {
    const hedging = new Hedging();
    answer(hedging, 1_000, ms, slow);
    expect(hedging.delayOf('get')).toBeGreaterThanOrEqual(from);
    expect(hedging.delayOf('get')).toBeLessThanOrEqual(to);
  });

  it('follows what changes, for each statement alone', () => {
    const hedging = new Hedging();
    answer(hedging, 5_000, 20);
    answer(hedging, 500, 200);
    expect(hedging.delayOf('get')).toBeGreaterThan(200);
    answer(hedging, 2_000, 20);
    expect(hedging.delayOf('get')).toBeLessThan(25);
    expect(hedging.delayOf('set')).toBe(50);
  });
});

describe('how often requests are hedged', () => {
  const spendAll = (hedging: Hedging): number => {
    let spent = 0;
    while (hedging.spend('get')) spent++;
    return spent;
  };

  it('is less than one in twenty', () => {
    const hedging = new Hedging();
    spendAll(hedging);
    let hedges = 0;
    for (let i = 0; i < 10_000; i++) {
      answer(hedging, 1, 5);
      if (hedging.spend('get')) hedges++;
    }
    expect(hedges / 10_000).toBeGreaterThan(0.035);
    expect(hedges / 10_000).toBeLessThan(0.05);
  });

  it('is counted for each statement alone', () => {
    const hedging = new Hedging();
    for (let i = 0; i < 30; i++) expect(hedging.spend('delete')).toBe(true);
    expect(hedging.spend('delete')).toBe(false);
    expect(spendAll(hedging)).toBe(10);
    hedging.answered('delete', 5);
    expect(hedging.spend('delete')).toBe(true);
  });

  it('is not saved up without end', () => {
    const hedging = new Hedging();
    answer(hedging, 100_000, 5);
    expect(spendAll(hedging)).toBe(10);
  });

  it('is never, once everything has become slow', () => {
    const hedging = new Hedging();
    answer(hedging, 1_000, 5);
    spendAll(hedging);
    answer(hedging, 90, 2_000);
    expect(hedging.spend('get')).toBe(false);
  });
});
