import type { Logger } from 'pino';
import { LogBudget } from './log-budget.js';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

it('writes fifty lines a second, and one that tells how many more there were', () => {
  const warn = jest.fn();
  const budget = new LogBudget({ warn } as unknown as Logger);
  const line = { msg: 'garbage' };
  for (let i = 0; i < 1_000; i++) budget.write('warn', line);
  expect(warn.mock.calls).toEqual(new Array(50).fill([line]));
  jest.advanceTimersByTime(1_000);
  expect(warn.mock.calls.slice(50)).toEqual([
    [{ msg: 'lines like those before were not logged', lines: 950 }],
  ]);

  warn.mockClear();
  budget.write('warn', line);
  jest.advanceTimersByTime(10_000);
  expect(warn.mock.calls).toEqual([[line]]);
});
