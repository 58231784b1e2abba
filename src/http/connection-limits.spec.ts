import { ConnectionLimits, type LimitedConnection } from './connection-limits.js';

class FakeConnection implements LimitedConnection {
  isOwed = false;
  isClosed = false;

  constructor(readonly peer: string | undefined = '10.0.0.1') {}

  makeRoom(): void {
    this.isClosed = true;
  }
}

/** Admits so many, from these addresses in turn. */
function crowd(limits: ConnectionLimits, size: number, ...peers: string[]): FakeConnection[] {
  return Array.from({ length: size }, (_, i) => {
    const connection = new FakeConnection(peers[i % peers.length]);
    expect(limits.admit(connection)).toBe(true);
    return connection;
  });
}

const closed = (connections: FakeConnection[]) =>
  connections.flatMap(({ isClosed }, i) => (isClosed ? [i] : []));

describe('a full house', () => {
  it('closes the connection that was quiet for longest', () => {
    const limits = new ConnectionLimits(3);
    const [first, second, third] = crowd(limits, 3) as [FakeConnection, FakeConnection, FakeConnection];
    limits.touch(first);
    expect(limits.admit(new FakeConnection())).toBe(true);
    expect(closed([first, second, third])).toEqual([1]);
    expect(limits.admit(new FakeConnection())).toBe(true);
    expect(closed([first, second, third])).toEqual([1, 2]);
  });

  it('closes none that is owed an answer', () => {
    const limits = new ConnectionLimits(3);
    const connections = crowd(limits, 3);
    connections[0]!.isOwed = connections[1]!.isOwed = true;
    expect(limits.admit(new FakeConnection())).toBe(true);
    expect(closed(connections)).toEqual([2]);
  });

  it('refuses where all are owed answers', () => {
    const limits = new ConnectionLimits(3);
    const connections = crowd(limits, 3);
    for (const each of connections) each.isOwed = true;
    expect(limits.admit(new FakeConnection())).toBe(false);
    expect(closed(connections)).toEqual([]);
  });

  it('has room again when one leaves', () => {
    const limits = new ConnectionLimits(3);
    const connections = crowd(limits, 3);
    limits.leave(connections[1]!);
    expect(limits.admit(new FakeConnection())).toBe(true);
    expect(closed(connections)).toEqual([]);
  });

  it('looks at a few for each newcomer, and at others the next time', () => {
    const limits = new ConnectionLimits(200);
    const connections = crowd(limits, 200);
    let looks = 0;
    for (const each of connections.slice(0, 150))
      Object.defineProperty(each, 'isOwed', { get: () => ++looks > 0 });
    expect(limits.admit(new FakeConnection())).toBe(false);
    expect(looks).toBe(64);
    expect(limits.admit(new FakeConnection())).toBe(false);
    expect(limits.admit(new FakeConnection())).toBe(true);
    expect(closed(connections)).toEqual([150]);
  });
});

describe('a limit for each peer', () => {
  it('closes that peer’s own', () => {
    const limits = new ConnectionLimits(100, 2);
    const connections = crowd(limits, 4, '10.0.0.1', '10.0.0.2');
    expect(limits.admit(new FakeConnection('10.0.0.2'))).toBe(true);
    expect(closed(connections)).toEqual([1]);
  });

  it.each(['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1'])('is none for %s', (peer) => {
    const limits = new ConnectionLimits(100, 2);
    const connections = Array.from({ length: 5 }, () => new FakeConnection(peer));
    for (const each of connections) expect(limits.admit(each)).toBe(true);
    expect(closed(connections)).toEqual([]);
  });

  it('counts those that left no more', () => {
    const limits = new ConnectionLimits(100, 2);
    for (let i = 0; i < 10; i++) for (const each of crowd(limits, 2)) limits.leave(each);
    expect(closed(crowd(limits, 2))).toEqual([]);
  });
});

describe('a limit of one connection from each address', () => {
  it('holds however often the place is taken over', () => {
    const limits = new ConnectionLimits(100, 1);
    const connections = crowd(limits, 10, '10.0.0.1');
    expect(connections.filter(({ isClosed }) => !isClosed)).toHaveLength(1);
  });

  it('holds after the whole house was full', () => {
    const limits = new ConnectionLimits(2, 2);
    const connections = [...crowd(limits, 1, '10.0.0.1'), ...crowd(limits, 1, '10.0.0.2')];
    connections.push(...crowd(limits, 3, '10.0.0.1'));
    expect(connections.filter(({ isClosed }) => !isClosed)).toHaveLength(2);
  });

  it('remembers nothing of who was refused', () => {
    const limits = new ConnectionLimits(1, 1);
    crowd(limits, 1, '10.0.0.1')[0]!.isOwed = true;
    expect(limits.admit(new FakeConnection('10.0.0.2'))).toBe(false);
    expect((limits as unknown as { ofPeers: Map<string, unknown> }).ofPeers.size).toBe(1);
  });
});
