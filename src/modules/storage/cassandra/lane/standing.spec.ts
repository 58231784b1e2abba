import { Standing } from './standing.js';

let isWell: boolean;
let isNeeded: boolean;
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
  isNeeded = false;
  standing = new Standing({
    isNeeded: () => isNeeded,
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

  it('keeps its place while there is no other', () => {
    isNeeded = true;
    wrongs(20);
    expect(standing.isAside).toBe(false);
    isNeeded = false;
    wrongs(1);
    expect(standing.isAside).toBe(true);
  });

  it('is probed soon, then once a second, and taken back after three probes in a row', async () => {
    wrongs(5);
    await pass(199);
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
    for (let i = 0; i < 8; i++) {
      wrongs(5);
      const began = performance.now();
      while (standing.isAside) await pass(100);
      held.push(Math.round((performance.now() - began) / 100) / 10);
    }
    expect(held).toEqual([0.6, 1.4, 2.4, 4.4, 8.4, 16.4, 30.4, 30.4]);
    await pass(3_001);
    wrongs(5);
    await pass(600);
    expect(standing.isAside).toBe(false); // pauses that come now and then are forgiven
  });

  it('is not probed any more once it is gone', async () => {
    wrongs(5);
    standing.close();
    await pass(10_000);
    expect(probes).toBe(0);
  });

  it('is not probed any more when it is gone while a probe is under way', async () => {
    wrongs(5);
    const probing = pass(200);
    standing.close();
    await probing;
    await pass(10_000);
    expect(probes).toBeLessThanOrEqual(1);
    expect(changes).toHaveLength(1);
  });
});
