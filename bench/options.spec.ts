import { parseOptions, UsageError } from './options.js';
import { SCENARIO_NAMES } from './scenario-names.js';

describe('options', () => {
  it('run everything by default', () => {
    expect(parseOptions([])).toEqual({
      only: SCENARIO_NAMES,
      peers: [],
      others: [],
      nodes: [],
      nodeReleases: [],
      quick: false,
      long: false,
      write: false,
    });
  });

  it('choose scenarios and peers, rounds and length', () => {
    const args = ['--only', 'rate,start', '--peers', 'kask-lane,webdis', '--rounds', '7', '--seconds', '1.5'];
    expect(parseOptions(args)).toMatchObject({
      only: ['rate', 'start'],
      peers: ['kask-lane', 'webdis'],
      rounds: 7,
      seconds: 1.5,
    });
  });

  it('name other builds, and other Node.js as a binary or as a release', () => {
    const args = ['--other', 'before=/a/dist/main.js', '--node', 'mine=/b=c/node', '--node', '24'];
    expect(parseOptions(args)).toMatchObject({
      others: [{ name: 'before', path: '/a/dist/main.js' }],
      nodes: [{ name: 'mine', path: '/b=c/node' }],
      nodeReleases: [24],
    });
  });

  it.each([
    [['--only', 'nonsense'], 'no such scenario: nonsense'],
    [['--rounds', '0'], '--rounds 0 is no number above 0'],
    [['--rounds', '1.5'], '--rounds 1.5 is no number above 0'],
    [['--seconds', 'long'], '--seconds long is no number above 0'],
    [['--other', '/a/dist/main.js'], 'expected NAME=FILE'],
    [['--fast'], "Unknown option '--fast'"],
  ])('%j are refused', (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });
});
