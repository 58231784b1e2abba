import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, type Host, types } from 'cassandra-driver';
import { MisbehavingNode, OPCODE } from '../../../../../test/harness/cassandra/misbehaving-node.js';
import { eventually } from '../../../../../test/harness/cassandra/poll.js';
import type { LocalDatacenterPolicy } from '../local-datacenter.js';
import type { StorageError } from '../../storage-error.js';
import { sessionStatements } from '../statements.js';
import { Hedging } from './hedging.js';
import { Lane } from './lane.js';

const WAIT_MS = 20_000;
const TIMEOUT_MS = 5_000;

/** As much of the driver's client as the lane asks. */
class FakeClient extends EventEmitter {
  readonly known: FakeHost[] = [];
  /** Of every key. */
  replicas: FakeHost[] | null = [];
  readonly hosts = { values: () => this.known };
  readonly metadata = {
    keyspaces: { sessions: {} },
    getTokenRanges: () => new Set([{ end: { getValue: () => 0n } }]),
    getReplicas: () => this.replicas,
  };
}

class FakeHost {
  up = true;

  constructor(
    readonly node: MisbehavingNode,
    readonly datacenter = 'eqiad',
  ) {}

  get address(): string {
    return `127.0.0.1:${this.node.port}`;
  }

  isUp(): boolean {
    return this.up;
  }
}

const nearby = {
  getDistance: (host: Host) => (host.datacenter === 'eqiad' ? types.distance.local : types.distance.remote),
} as unknown as LocalDatacenterPolicy;

let client: FakeClient;
let standings: string[];
let lane: Lane;
let nodes: MisbehavingNode[];

beforeEach(() => {
  client = new FakeClient();
  standings = [];
  nodes = [];
  lane = new Lane(client as unknown as Client, nearby, {
    tls: undefined,
    authentication: undefined,
    connectTimeoutMs: 2_000,
    heartbeatMs: 60_000,
    statements: sessionStatements('sessions', 'values'),
    keyspace: 'sessions',
    onStanding: (address, isAside) => standings.push(`${address} ${isAside ? 'aside' : 'back'}`),
  });
});

afterEach(async () => {
  lane.close();
  await Promise.all(nodes.map((node) => node.stop()));
});

async function host(datacenter?: string): Promise<FakeHost> {
  const node = await MisbehavingNode.start();
  nodes.push(node);
  return new FakeHost(node, datacenter);
}

/** Hosts that the client knows from the start. */
async function hosts(count: number, datacenter?: string): Promise<FakeHost[]> {
  const made = await Promise.all(Array.from({ length: count }, () => host(datacenter)));
  client.known.push(...made);
  return made;
}

const get = () => lane.run({ statement: 'get', key: Buffer.from('key'), timestamp: 1 }, TIMEOUT_MS);
const asked = (hosts: FakeHost[]): number[] => hosts.map(({ node }) => node.executions().length);
const untilConnections = (count: number): Promise<void> =>
  eventually(() => Promise.resolve(expect(lane.connections).toBe(count)), WAIT_MS);
const gets = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await get();
};

describe('the nodes of a lane', () => {
  it('are those of our datacenter', async () => {
    const near = await hosts(2);
    const far = await hosts(2, 'codfw');
    await lane.open();
    await untilConnections(2);
    client.replicas = [...far, ...near];
    await gets(20);
    expect(asked(far)).toEqual([0, 0]);
    expect(far.every(({ node }) => node.conversations.length === 0)).toBe(true);
  });

  it('open once one of them answers', async () => {
    const [silent] = await hosts(2);
    silent?.node.on(OPCODE.options, () => false);
    await lane.open();
    expect(lane.connections).toBe(1);
    expect(await get()).toBeUndefined();
  });

  it('open when each has refused', async () => {
    const [first, second] = (await hosts(2)) as [FakeHost, FakeHost];
    first.node.on(OPCODE.options, (_asked, by) => void by.socket.end());
    second.node.on(OPCODE.options, (asked, by) => by.sayError(asked, 0x1002, 'still starting'));
    await lane.open();
    expect(lane.connections).toBe(0);
    const failure: unknown = await get().catch((error: unknown) => error);
    expect(failure).toMatchObject({ kind: 'unavailable', reason: 'no Cassandra node can be reached' });
    expect((failure as StorageError).cause).toMatchObject({
      message: [`${first.address}: the node closed the connection`, `${second.address}: still starting`]
        .sort()
        .join('; '),
    });
  });

  it('are more when the driver finds one, and fewer when it removes one', async () => {
    const [first] = await hosts(1);
    await lane.open();
    const found = await host();
    client.emit('hostAdd', found);
    client.emit('hostUp', found);
    await untilConnections(2);
    client.emit('hostRemove', first);
    expect(lane.connections).toBe(1);
    await gets(3);
    expect(asked([first as FakeHost, found])).toEqual([0, 3]);
    await eventually(() => Promise.resolve(expect(first?.node.open).toBe(0)), WAIT_MS);
    expect(found.node.conversations).toHaveLength(1);
  });

  it('are connected to again by themselves while the driver believes them up', async () => {
    const [only] = await hosts(1);
    await lane.open();
    only?.node.on(OPCODE.options, (_asked, by) => by.cut());
    only?.node.last.cut();
    await untilConnections(0);
    await eventually(
      () => Promise.resolve(expect(only?.node.conversations.length).toBeGreaterThan(2)),
      WAIT_MS,
    );
    only?.node.behave(OPCODE.options);
    await untilConnections(1);
    expect(await get()).toBeUndefined();
  });

  it('are tried less and less often', async () => {
    const [only] = await hosts(1);
    const began: number[] = [];
    only?.node.on(OPCODE.options, (_asked, by) => {
      began.push(performance.now());
      by.cut();
    });
    await lane.open();
    await eventually(() => Promise.resolve(expect(began.length).toBe(4)), WAIT_MS);
    const [a = 0, b = 0, c = 0, d = 0] = began;
    // A busy machine makes them later, never earlier.
    expect([b - a >= 245, c - b >= 490, d - c >= 980]).toEqual([true, true, true]);
  });

  it('are left alone while they are down, and taken back when the driver says that they are up', async () => {
    const [only] = (await hosts(1)) as [FakeHost];
    await lane.open();
    only.up = false;
    client.emit('hostDown', only);
    expect(lane.connections).toBe(1); // it serves for as long as it answers
    only.node.last.cut();
    await untilConnections(0);
    await sleep(600);
    expect(only.node.conversations).toHaveLength(1);
    only.up = true;
    client.emit('hostUp', only);
    await untilConnections(1);
    expect(only.node.conversations).toHaveLength(2);
  });
});

describe('the plan of a lane', () => {
  // Who is counted must not be hedged because this machine stood still.
  beforeEach(() => jest.spyOn(Hedging.prototype, 'delayOf').mockReturnValue(WAIT_MS));
  afterEach(() => jest.restoreAllMocks());

  it('has the replicas of our datacenter in turn, and each as often as the others', async () => {
    const near = await hosts(3);
    const far = await hosts(3, 'codfw');
    await lane.open();
    await untilConnections(3);
    client.replicas = [...near, ...far];
    await gets(30);
    expect(asked(near)).toEqual([10, 10, 10]);
  });

  it('has replicas before others', async () => {
    const all = await hosts(4);
    await lane.open();
    await untilConnections(4);
    client.replicas = all.slice(0, 2);
    await gets(10);
    expect(asked(all)).toEqual([5, 5, 0, 0]);
  });

  it('has each node once, the others in turn as well', async () => {
    const all = await hosts(4);
    await lane.open();
    await untilConnections(4);
    for (const { node } of all) node.on(OPCODE.execute, (each, by) => by.sayError(each, 0x1000));
    client.replicas = all.slice(0, 2);
    for (let i = 0; i < 10; i++) await expect(get()).rejects.toMatchObject({ kind: 'unavailable' });
    expect(asked(all)).toEqual([10, 10, 5, 5]); // after three that refuse, no other
    for (const { node } of all.slice(2)) node.behave(OPCODE.execute);
    await gets(4);
    expect(asked(all)).toEqual([14, 14, 7, 7]);
  });

  it('has all nodes in turn where replicas are not known', async () => {
    const all = await hosts(3);
    await lane.open();
    await untilConnections(3);
    client.replicas = null;
    await gets(30);
    expect(asked(all)).toEqual([10, 10, 10]);
  });

  it('has those alone that are open', async () => {
    const [first, second] = (await hosts(2)) as [FakeHost, FakeHost];
    await lane.open();
    await untilConnections(2);
    client.replicas = [first, second];
    first.up = false;
    first.node.last.cut();
    await untilConnections(1);
    await gets(10);
    expect(asked([first, second])).toEqual([0, 10]);
  });

  it('has a node that refuses what others grant last, until it does not', async () => {
    const all = (await hosts(3)) as [FakeHost, FakeHost, FakeHost];
    await lane.open();
    await untilConnections(3);
    client.replicas = all;
    all[0].node.on(OPCODE.execute, (each, by) => by.sayError(each, 0x1000));
    await gets(30);
    expect(asked(all)[0]).toBe(5);
    expect(lane.nodesPutAside).toBe(1);
    expect(standings).toEqual([`${all[0].address} aside`]);
    for (const { node } of all.slice(1)) node.on(OPCODE.execute, (each, by) => by.sayError(each, 0x1000));
    await expect(get()).rejects.toMatchObject({ kind: 'unavailable' });
    expect(asked(all)[0]).toBe(6); // where all others refuse it is asked too
    for (const { node } of all) node.behave(OPCODE.execute);
    await eventually(() => Promise.resolve(expect(lane.nodesPutAside).toBe(0)), WAIT_MS);
    expect(standings).toEqual([`${all[0].address} aside`, `${all[0].address} back`]);
    const before = asked(all)[0] as number;
    await gets(30);
    expect(asked(all)[0]).toBe(before + 10);
  });

  it('has a node that is silent last, and whoever waits for it is answered by others', async () => {
    jest.restoreAllMocks();
    const all = (await hosts(3)) as [FakeHost, FakeHost, FakeHost];
    await lane.open();
    await untilConnections(3);
    client.replicas = all;
    all[0].node.on(OPCODE.execute, () => false);
    const began = performance.now();
    const waiting = Promise.all(Array.from({ length: 120 }, get));
    // Where all three are slow for a moment, the hedges that were saved up are gone: who comes later earns others.
    const others = setInterval(() => {
      if (standings.length > 0) clearInterval(others);
      else void get().catch(() => undefined);
    }, 5);
    await waiting.finally(() => clearInterval(others));
    // A third of them waited for it, four times as many as hedges are saved up.
    expect(asked(all)[0]).toBeGreaterThanOrEqual(40);
    expect(performance.now() - began).toBeLessThan(TIMEOUT_MS);
    expect(standings).toEqual([`${all[0].address} aside`]);
    const before = asked(all)[0] as number;
    await gets(30);
    expect((asked(all)[0] as number) - before).toBeLessThanOrEqual(3); // probes
  });

  it('goes on to the next when a connection breaks under a request', async () => {
    const all = await hosts(2);
    await lane.open();
    await untilConnections(2);
    client.replicas = all;
    all[0]?.node.on(OPCODE.execute, (_asked, by) => by.cut());
    all[1]?.node.rows.set('key', Buffer.from('Ada'));
    expect((await Promise.all([get(), get(), get(), get()])).map((row) => String(row?.value))).toEqual(
      Array(4).fill('Ada'),
    );
  });
});

describe('a lane that is closed', () => {
  it('ends the requests in flight', async () => {
    const all = await hosts(2);
    await lane.open();
    await untilConnections(2);
    for (const { node } of all) node.on(OPCODE.execute, () => false);
    const running = Array.from({ length: 20 }, () => get().catch((error: unknown) => error));
    expect(lane.requestsInFlight).toBeGreaterThanOrEqual(20);
    lane.close();
    for (const end of await Promise.all(running)) expect(end).toMatchObject({ kind: 'unavailable' });
    await expect(get()).rejects.toMatchObject({ kind: 'unavailable' });
    expect([lane.connections, lane.requestsInFlight]).toEqual([0, 0]);
  });

  it('gives up connections that are not open yet', async () => {
    const [only] = (await hosts(1)) as [FakeHost];
    only.node.on(OPCODE.options, () => false);
    const opening = lane.open();
    await eventually(() => Promise.resolve(expect(only.node.open).toBe(1)), WAIT_MS);
    lane.close();
    await opening;
    await eventually(() => Promise.resolve(expect(only.node.open).toBe(0)), WAIT_MS);
  });

  it('opens none any more, whatever the driver says', async () => {
    const [only] = (await hosts(1)) as [FakeHost];
    await lane.open();
    lane.close();
    client.emit('hostUp', only);
    client.emit('hostAdd', await host());
    await sleep(600);
    expect(lane.connections).toBe(0);
    expect(nodes.map((node) => node.open)).toEqual([0, 0]);
    expect(only.node.conversations).toHaveLength(1);
  });
});
