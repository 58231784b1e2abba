import { Standing } from './standing.js';

let isWell: boolean;
let probes: number;
let changes: string[];
let standing: Standing;

const wrongs = (times: number): void => {
  for (let i = 0; i < times; i++) standing.didWrong('it refused');
};
const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  jest.useFakeTimers();
  isWell = false;
  probes = 0;
  changes = [];
  standing = new Standing({
    probe: () => (probes++, isWell ? Promise.resolve() : Promise.reject(new Error('not well'))),
    changed: (isAside, why) => changes.push(`${isAside ? 'aside' : 'back'}: ${why}`),
  });
});

afterEach(() => {
  standing.close();
  jest.useRealTimers();
});

describe('a node', () => {
  it('is put aside when it was wrong five times in a row, once', () => {
    wrongs(4);
    expect(standing.isAside).toBe(false);
    wrongs(3);
    expect(standing.isAside).toBe(true);
    expect(changes).toEqual(['aside: it refused']);
  });

  it('is put aside when it is wrong every third time, and not when it is every tenth', () => {
    const rarely = (every: number): void => {
      for (let i = 1; i <= 300; i++)
        if (i % every === 0) standing.didWrong('it refused');
        else standing.didWell();
    };
    rarely(10);
    expect(standing.isAside).toBe(false);
    rarely(3);
    expect(standing.isAside).toBe(true);
  });

  it('is probed after a second, and taken back after three probes in a row', async () => {
    wrongs(5);
    await pass(999);
    expect(probes).toBe(0);
    await pass(2_001);
    expect(probes).toBe(3);
    isWell = true;
    await pass(1_000);
    expect([probes, standing.isAside]).toEqual([4, true]);
    isWell = false;
    await pass(200);
    isWell = true;
    await pass(1_000);
    expect(standing.isAside).toBe(true); // it has to be three again
    await pass(400);
    expect(standing.isAside).toBe(false);
    expect(changes).toEqual(['aside: it refused', 'back: 3 probes succeeded']);
    wrongs(4);
    expect(standing.isAside).toBe(false); // and begins anew
  });

  it('is held longer each time that it is put aside soon after, up to half a minute', async () => {
    isWell = true;
    const held: number[] = [];
    for (let i = 0; i < 7; i++) {
      wrongs(5);
      const began = performance.now();
      while (standing.isAside) await pass(100);
      held.push(Math.round((performance.now() - began) / 100) / 10);
    }
    expect(held).toEqual([1.4, 2.4, 4.4, 8.4, 16.4, 30.4, 30.4]);
    await pass(61_000);
    wrongs(5);
    await pass(1_400);
    expect(standing.isAside).toBe(false);
  });

  it('is not probed any more once it is gone', async () => {
    wrongs(5);
    standing.close();
    await pass(10_000);
    expect(probes).toBe(0);
  });
});
