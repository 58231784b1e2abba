import { token } from 'cassandra-driver';
import { Replicas } from './replicas.js';

type Metadata = ReturnType<ConstructorParameters<typeof Replicas>[0]>;

/** Of Cassandra, for `a`. */
const TOKEN_OF_A = -8839064797231613815n;

/** A ring as the driver knows it: the ends of ranges, each with the nodes that hold it. */
function ring(ends: [bigint, string[]][]) {
  const ranges = new Map(
    ends.map(([end, nodes]) => [{ end: { getValue: () => end } } as unknown as token.TokenRange, nodes]),
  );
  const getTokenRanges = jest.fn(() => keys);
  const keys = new Set(ranges.keys());
  const getReplicas = jest.fn((_keyspace: string, range: unknown) =>
    (ranges.get(range as token.TokenRange) ?? []).map((address) => ({ address })),
  );
  const keyspaces: Record<string, unknown> = { kask: {} };
  return { getTokenRanges, getReplicas, keyspaces } as unknown as Metadata & {
    getReplicas: typeof getReplicas;
  };
}

const key = Buffer.from('a');

describe('the replicas of a key', () => {
  it.each([
    ['whose token is the end of a range', TOKEN_OF_A, ['one']],
    ['whose token lies just before it', TOKEN_OF_A + 1n, ['one']],
    ['whose token lies just behind it', TOKEN_OF_A - 1n, ['two']],
  ])('%s', (_, end, expected) => {
    const metadata = ring([
      [5n, ['two']],
      [end, ['one']],
      [9n, ['three']],
    ]);
    expect(new Replicas(() => metadata, 'kask').of(key)).toEqual(expected);
  });

  it('begins the ring again behind its last end', () => {
    const metadata = ring([
      [TOKEN_OF_A - 2n, ['second', 'third']],
      [TOKEN_OF_A - 5n, ['first', 'second']],
    ]);
    expect(new Replicas(() => metadata, 'kask').of(key)).toEqual(['first', 'second']);
  });

  it('are made anew when topology or replication changed, and only then', () => {
    let metadata = ring([[1n, ['old']]]);
    const replicas = new Replicas(() => metadata, 'kask');
    replicas.of(key);
    replicas.of(key);
    expect(metadata.getReplicas).toHaveBeenCalledTimes(1);
    metadata.keyspaces.kask = { name: 'kask', strategy: 'another' };
    replicas.of(key);
    expect(metadata.getReplicas).toHaveBeenCalledTimes(2);
    metadata = ring([[1n, ['new']]]);
    expect(replicas.of(key)).toEqual(['new']);
  });

  it('are none while the driver does not know the keyspace', () => {
    const metadata = ring([[1n, ['node']]]);
    expect(new Replicas(() => metadata, 'another').of(key)).toEqual([]);
  });
});
