import { KeyHistory } from './key-history.js';

describe('what a key may hold', () => {
  let history: KeyHistory;
  beforeEach(() => (history = new KeyHistory()));

  it('is nothing before it is written', () => {
    expect(history.saw(1)).toBe(false);
    expect(history.saw(undefined)).toBe(true);
  });

  it('is what was acknowledged last, whatever was not before it', () => {
    history.wrote(1, false);
    history.wrote(2, true);
    expect([1, undefined, 2].map((state) => history.saw(state))).toEqual([false, false, true]);
  });

  it('is that or a later write that was not acknowledged', () => {
    history.wrote(1, true);
    history.wrote(2, false);
    history.wrote(undefined, false);
    expect(String(history)).toBe('value 1 or value 2 or nothing');
    expect(history.saw(1)).toBe(true);
    expect(history.saw(2)).toBe(true);
    expect(history.saw(undefined)).toBe(true);
  });

  it('is not again what was before what was read', () => {
    history.wrote(1, true);
    history.wrote(2, false);
    expect(history.saw(2)).toBe(true);
    expect(history.saw(1)).toBe(false);
  });
});
