import { judge } from './checker.js';
import { type Call, History, outcomeOf } from './history.js';
import { type Flaws, SimulatedCluster } from './simulated-cluster.js';
import { onCassandra } from './stores.js';

const TTL_MS = 30_000;

const at = (datacenter: string) => {
  const call = (
    operation: Call['operation'],
    value: number | undefined,
    [start, end]: [number, number],
    status: number,
  ): Call => ({
    client: `${datacenter}0`,
    datacenter,
    key: 'alice',
    operation,
    value,
    start,
    end,
    status,
    outcome: outcomeOf(status),
  });
  return {
    put: (value: number, span: [number, number], status = 201) => call('PUT', value, span, status),
    remove: (span: [number, number], status = 204) => call('DELETE', undefined, span, status),
    found: (value: number, span: [number, number]) => call('GET', value, span, 200),
    nothing: (span: [number, number]) => call('GET', undefined, span, 404),
  };
};
const eqiad = at('eqiad');
const codfw = at('codfw');

function violations(calls: Call[], circumstances: Partial<History['circumstances']> = {}): string[] {
  const history = new History({ ...onCassandra(TTL_MS), seed: 0, frozen: [], ...circumstances });
  history.calls.push(...calls);
  return judge(history).violations.map(({ check }) => check);
}

describe('what is complained of', () => {
  it.each<[string, string, Call[]]>([
    [
      'an acknowledged write of which nothing is found',
      'lost',
      [eqiad.put(1, [0, 9]), eqiad.nothing([10, 19])],
    ],
    [
      'an acknowledged write with what was before it in its place',
      'lost',
      [eqiad.put(1, [0, 9]), eqiad.put(2, [10, 19]), eqiad.found(1, [20, 29])],
    ],
    [
      'an acknowledged write with a failed one of before in its place',
      'lost',
      [
        eqiad.put(1, [0, 9], 504),
        codfw.put(2, [0, 9], 504),
        eqiad.put(3, [20, 29]),
        eqiad.found(2, [30, 39]),
      ],
    ],
    [
      'a write hidden by one that another read has shown to be older',
      'lost',
      [eqiad.put(1, [0, 50]), codfw.put(2, [0, 40]), codfw.found(1, [41, 60]), eqiad.found(2, [61, 70])],
    ],
    ['a value that nobody wrote', 'unwritten', [eqiad.put(1, [0, 9]), eqiad.found(7, [10, 19])]],
    ['a value before it is written', 'unwritten', [eqiad.found(1, [0, 9]), eqiad.put(1, [10, 19])]],
    [
      'a value that is torn',
      'unwritten',
      [eqiad.put(1, [0, 9]), { ...eqiad.found(1, [10, 19]), value: undefined, broken: 'alice 1' }],
    ],
    [
      'a deleted session that is there',
      'returned',
      [eqiad.put(1, [0, 9]), eqiad.remove([10, 19]), eqiad.found(1, [20, 29])],
    ],
    [
      'a deleted session that is there in the other datacenter',
      'returned',
      [eqiad.put(1, [0, 9]), eqiad.remove([20, 29]), codfw.found(1, [30, 39])],
    ],
    [
      'a session that is there again after its absence was seen',
      'returned',
      [eqiad.put(1, [0, 9]), eqiad.remove([10, 19], 503), eqiad.nothing([20, 29]), eqiad.found(1, [30, 39])],
    ],
    [
      'the same where two deletes may be why',
      'returned',
      [
        eqiad.put(1, [0, 9]),
        eqiad.remove([10, 19], 503),
        codfw.remove([10, 19], 504),
        eqiad.nothing([20, 29]),
        eqiad.found(1, [30, 39]),
      ],
    ],
    [
      'an older value after a newer one was seen, though neither was acknowledged',
      'backwards',
      [
        eqiad.put(1, [0, 9], 504),
        eqiad.put(2, [10, 19], 504),
        eqiad.found(2, [20, 29]),
        eqiad.found(1, [30, 39]),
      ],
    ],
    [
      'two values in turn, whichever is newer',
      'backwards',
      [
        codfw.put(1, [0, 9]),
        codfw.put(2, [0, 9]),
        eqiad.found(2, [20, 29]),
        eqiad.found(1, [30, 39]),
        eqiad.found(2, [40, 49]),
      ],
    ],
    [
      'a session that is gone in its last third',
      'early',
      [eqiad.put(1, [0, 9]), eqiad.nothing([25_000, 25_009])],
    ],
    ['a session that never ends', 'late', [eqiad.put(1, [0, 9]), eqiad.found(1, [45_000, 45_009])]],
  ])('%s', (_what, check, calls) => {
    expect(violations(calls)).toEqual([check]);
  });

  it('what was written when all was well, and is not seen everywhere in the end', () => {
    const calls = [eqiad.put(1, [100, 109]), codfw.nothing([300, 309])];
    expect(violations(calls, { healedAt: 50, settledAt: 200 })).toEqual(['apart']);
    expect(violations(calls, { healedAt: 105, settledAt: 200 })).toEqual([]);
  });

  it('comes with the calls that prove it', () => {
    const history = new History({ ...onCassandra(TTL_MS), seed: 0, frozen: [] });
    const [put, deleted, found] = [eqiad.put(1, [0, 9]), eqiad.remove([20, 29]), codfw.found(1, [30, 39])];
    history.calls.push(put, deleted, codfw.nothing([12, 13]), found);
    expect(judge(history)).toMatchObject({
      facts: { unwritten: 1, returned: 1 },
      violations: [{ calls: [put, deleted, found] }],
    });
  });
});

describe('what is allowed', () => {
  it.each<[string, Call[]]>([
    [
      'writes that overlap, in either order',
      [eqiad.put(1, [0, 30]), eqiad.put(2, [10, 40]), eqiad.found(1, [50, 59])],
    ],
    [
      'a read that overlaps a write',
      [eqiad.put(1, [0, 9]), eqiad.put(2, [10, 40]), eqiad.found(1, [20, 49])],
    ],
    [
      'a failed write that takes effect late, and one that never does',
      [
        eqiad.put(1, [0, 9]),
        eqiad.put(2, [10, 19], 504),
        eqiad.put(3, [10, 19], 503),
        eqiad.found(1, [20, 29]),
        eqiad.found(2, [9_000, 9_009]),
      ],
    ],
    [
      'a failed delete that takes effect late',
      [eqiad.put(1, [0, 9]), eqiad.remove([10, 19], 503), eqiad.found(1, [20, 29]), eqiad.nothing([30, 39])],
    ],
    [
      'a failed delete that is older than a write',
      [eqiad.put(1, [0, 30]), eqiad.remove([10, 19], 503), eqiad.found(1, [40, 49])],
    ],
    [
      'a write of the other datacenter that never comes',
      [eqiad.put(1, [0, 9]), codfw.nothing([10_000, 10_009]), eqiad.found(1, [10_000, 10_009])],
    ],
    [
      'the other order of two datacenters within a millisecond',
      [eqiad.put(1, [0, 0.4]), codfw.put(2, [0.5, 0.9]), codfw.found(1, [10, 19]), codfw.found(1, [20, 29])],
    ],
    [
      'a write without an answer that was taken up later',
      [eqiad.put(1, [0, 9], 0), eqiad.put(2, [1_000, 1_009]), eqiad.found(1, [2_000, 2_009])],
    ],
    [
      'an expiry that comes by whole seconds',
      [eqiad.put(1, [0, 9]), eqiad.found(1, [28_000, 28_009]), eqiad.nothing([29_000, 29_009])],
    ],
    [
      'a value that is expired for one coordinator and not for the next',
      [eqiad.put(1, [0, 9]), eqiad.nothing([29_500, 29_509]), eqiad.found(1, [31_000, 31_009])],
    ],
    [
      'a session that is written again after its end',
      [
        eqiad.put(1, [0, 9]),
        eqiad.nothing([50_000, 50_009]),
        eqiad.put(2, [50_010, 50_019]),
        eqiad.found(2, [60_000, 60_009]),
      ],
    ],
  ])('%s', (_what, calls) => {
    expect(violations(calls)).toEqual([]);
  });

  it('a longer life for what a frozen coordinator was sent', () => {
    const calls = [eqiad.put(1, [0, 9]), eqiad.found(1, [45_000, 45_009])];
    expect(violations(calls, { frozen: [{ from: 5, to: 10_000 }] })).toEqual([]);
    expect(violations(calls, { frozen: [{ from: 10, to: 10_000 }] })).toEqual(['late']);
  });
});

describe('a simulated cluster of two datacenters', () => {
  it.each(Array.from({ length: 10 }, (_, i) => i))(
    'is not complained of while it is honest: %i',
    async (seed) => {
      const { violations, facts } = judge(await new SimulatedCluster(seed).run());
      expect(violations).toEqual([]);
      expect(Math.min(facts.lost, facts.returned, facts.backwards, facts.early)).toBeGreaterThan(10);
    },
  );

  it.each<[string, Flaws, string[]]>([
    ['repairs nothing', { repairsNothing: true }, ['backwards']],
    ['acknowledges early', { acknowledgesEarly: true }, ['lost', 'returned']],
    ['deletes in one datacenter only', { deletesLocally: true }, ['returned']],
    ['ends sessions early', { expiresLaterMs: -4_000 }, ['early']],
    ['ends sessions late', { expiresLaterMs: 40_000 }, ['late']],
  ])('is caught if it %s', async (_what, flaws, checks) => {
    const { violations } = judge(await new SimulatedCluster(1, flaws).run());
    expect(violations.map(({ check }) => check)).toEqual(expect.arrayContaining(checks));
  });
});
