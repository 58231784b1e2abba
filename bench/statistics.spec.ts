import { median, ratios, spread } from './statistics.js';

describe('median', () => {
  it('is the middle one, in whatever order they come', () => {
    expect(median([10, 1, 9])).toBe(9);
  });

  it('is between the middle two of an even number', () => {
    expect(median([4, 1, 3, 100])).toBe(3.5);
  });

  it('is not to be had of nothing', () => {
    expect(() => median([])).toThrow('no values');
  });

  it('leaves its argument as it was', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

it('a spread has the extremes beside the median', () => {
  expect(spread([5, 1, 2])).toEqual({ median: 2, min: 1, max: 5 });
});

describe('ratios', () => {
  it('are of the same round', () => {
    expect(ratios([2, 30], [4, 10])).toEqual([0.5, 3]);
  });

  it('are refused of different numbers of rounds', () => {
    expect(() => ratios([1], [1, 2])).toThrow('rounds');
  });
});
