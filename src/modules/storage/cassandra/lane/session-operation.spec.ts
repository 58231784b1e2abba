import { errors, types } from 'cassandra-driver';
import { StorageError } from '../../storage-error.js';
import type { StatementTrace } from '../statement-trace.js';
import { ConnectionLost } from './channel.js';
import type { Execution, Row } from './execution.js';
import { Hedging } from './hedging.js';
import type { Attempt } from './lane-connection.js';
import { type Coordinator, runOn, type Terms } from './session-operation.js';
import { TimerWheel } from './timer-wheel.js';

const code = types.responseErrorCodes;
const DEADLINE = 12_345;
const execution: Execution = {
  statement: 'set',
  key: Buffer.from('key'),
  value: Buffer.from('Ada'),
  ttlSeconds: 60,
  timestamp: 1_700_000_000_123_456,
};

const said = (number: number): Error => new errors.ResponseError(number, 'as the test wants it');
const late = (): Error => new errors.OperationTimedOutError('late', 'node');
const REFUSED = said(code.unavailableException);

class Node implements Coordinator {
  isAside = false;
  well = 0;
  readonly wrong: string[] = [];
  readonly asked: { execution: Execution; deadline: number }[] = [];
  attempt!: Attempt;

  constructor(
    readonly address: string,
    private readonly answer?: Row | Error,
  ) {}

  execute(asked: Execution, deadline: number, attempt: Attempt): void {
    this.asked.push({ execution: asked, deadline });
    this.attempt = attempt;
    if (this.answer instanceof Error) attempt.failed(this.answer);
    else if (this.answer) attempt.answered(this.answer);
  }

  didWell(): void {
    this.well++;
  }

  didWrong(why: string): void {
    this.wrong.push(why);
  }
}

let hedging: Hedging;
let wheel: TimerWheel;
let hedged: string[];
let nextTries: number;
let terms: Terms;

const silent = (...names: string[]): [Node, Node, Node] =>
  names.map((name) => new Node(name)) as [Node, Node, Node];
const row = (value: string): Row => ({ value: Buffer.from(value), ttlSeconds: 60 });
const asked = (nodes: Node[]): number[] => nodes.map((node) => node.asked.length);
const run = (...nodes: Node[]): Promise<Row | undefined> => runOn(nodes, execution, DEADLINE, terms);
const failure = (running: Promise<unknown>): Promise<unknown> => running.catch((reason: unknown) => reason);

beforeEach(() => {
  jest.useFakeTimers();
  hedging = new Hedging();
  wheel = new TimerWheel(1);
  hedged = [];
  nextTries = 0;
  terms = {
    wheel,
    hedging,
    onHedge: (statement) => hedged.push(statement),
    onNextTry: () => nextTries++,
  };
});

afterEach(() => jest.useRealTimers());

describe('an operation', () => {
  it('asks the first and no other where that answers', async () => {
    const nodes = [new Node('a', row('from a')), new Node('b', row('from b'))];
    expect(await run(...nodes)).toEqual(row('from a'));
    jest.advanceTimersByTime(1_000);
    expect(nodes[1]?.asked).toEqual([]);
    expect([nodes[0]?.well, nodes[0]?.wrong, nextTries]).toEqual([1, [], 0]);
  });

  it.each<[string, Error]>([
    ['unavailable', said(code.unavailableException)],
    ['overloaded', said(code.overloaded)],
    ['bootstrapping', said(code.isBootstrapping)],
    ['server error', said(code.serverError)],
    ['truncate error', said(code.truncateError)],
    ['read timeout', said(code.readTimeout)],
    ['write timeout', said(code.writeTimeout)],
    ['read failure', said(code.readFailure)],
    ['write failure', said(code.writeFailure)],
    ['a connection that is lost', new ConnectionLost('lost')],
    ['a connection that is busy', new errors.BusyConnectionError('a', 2048, 1)],
  ])('asks the next after: %s', async (_, error) => {
    const nodes = [new Node('a', error), new Node('b', error), new Node('c', row('from c'))];
    expect(await run(...nodes)).toEqual(row('from c'));
    for (const node of nodes) {
      expect(node.asked).toHaveLength(1);
      expect(node.asked[0]?.execution).toBe(execution); // the same object, so the same timestamp
      expect(node.asked[0]?.deadline).toBe(DEADLINE);
    }
    expect(nextTries).toBe(2);
  });

  it.each<[string, Error, 'timeout' | 'unavailable' | undefined]>([
    ['no answer in time', late(), 'timeout'],
    ['unprepared, again', said(code.unprepared), 'unavailable'],
    ['unauthorized', said(code.unauthorized), 'unavailable'],
    ['invalid', said(code.invalid), 'unavailable'],
    ['bad credentials', said(code.badCredentials), 'unavailable'],
    ['syntax error', said(code.syntaxError), undefined],
    ['protocol error', said(code.protocolError), undefined],
    ['a fault of ours', new TypeError('ours'), undefined],
  ])('asks no other after: %s', async (_, error, kind) => {
    const next = new Node('b', row('from b'));
    const reason = await failure(run(new Node('a', error), next));
    if (kind) expect(reason).toMatchObject({ kind });
    else expect(reason).toBe(error);
    expect(next.asked).toEqual([]);
  });

  it('tells its trace who was asked beside the first, and who answered', async () => {
    const told: string[] = [];
    const trace = {
      hedged: (address: string) => told.push(`hedged with ${address}`),
      triedNext: (address: string) => told.push(`then asked ${address}`),
      answered: (address: string) => told.push(`answered by ${address}`),
    } as unknown as StatementTrace;
    const nodes = [new Node('a', REFUSED), new Node('b'), new Node('c', row('from c'))];
    const running = runOn(nodes, { ...execution, trace }, DEADLINE, terms);
    jest.advanceTimersByTime(1_000);
    await running;
    expect(told).toEqual(['then asked b', 'hedged with c', 'answered by c']);
  });

  it('fails where there is none to ask', async () => {
    await expect(run()).rejects.toMatchObject({
      kind: 'unavailable',
      reason: 'no Cassandra node can be reached',
    });
  });

  it('asks no more than three that refuse', async () => {
    const nodes = Array.from({ length: 12 }, (_, i) => new Node(String(i), REFUSED));
    await failure(run(...nodes));
    expect(asked(nodes)).toEqual([1, 1, 1, ...Array<number>(9).fill(0)]);
  });

  it('tells what the decisive of many refusals was, and keeps them all', async () => {
    const reason = await failure(
      run(
        new Node('a', new ConnectionLost('the node closed the connection')),
        new Node('b', said(code.unavailableException)),
        new Node('c', new errors.BusyConnectionError('c', 2048, 1)),
      ),
    );
    expect(reason).toBeInstanceOf(StorageError);
    expect((reason as StorageError).kind).toBe('unavailable');
    const cause = ((reason as StorageError).cause as Error).message;
    for (const each of ['a: the node closed the connection', 'b: as the test wants it', 'c: '])
      expect(cause).toContain(each);
  });

  it('waits for a second as for the first', async () => {
    const [first, second] = silent('a', 'b');
    const running = run(first, second);
    first.attempt.failed(new ConnectionLost('lost'));
    second.attempt.answered(undefined);
    expect(await running).toBeUndefined();
  });

  it('asks a hundred that refuse at once without running out of stack', async () => {
    const nodes = Array.from({ length: 100 }, (_, i) => new Node(String(i), new ConnectionLost('lost')));
    await expect(run(...nodes)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(nodes.every((node) => node.asked.length === 1)).toBe(true);
  });
});

describe('an operation whose coordinator is silent', () => {
  const DELAY_MS = 50;

  it('is sent to the next after the delay, and not before', async () => {
    const nodes = silent('a', 'b', 'c');
    const running = run(...nodes);
    jest.advanceTimersByTime(DELAY_MS - 1);
    expect(asked(nodes)).toEqual([1, 0, 0]);
    jest.advanceTimersByTime(3);
    expect(asked(nodes)).toEqual([1, 1, 0]);
    nodes[1].attempt.answered(row('from b'));
    expect(await running).toEqual(row('from b'));
    expect(nodes[1].asked[0]?.execution).toBe(execution);
    expect([hedged, nextTries]).toEqual([['set'], 0]);
  });

  it('takes the answer of the first if that comes before', async () => {
    const nodes = silent('a', 'b');
    const running = run(...nodes);
    jest.advanceTimersByTime(DELAY_MS + 2);
    nodes[0].attempt.answered(row('from a'));
    nodes[1].attempt.answered(row('from b')); // too late to matter
    expect(await running).toEqual(row('from a'));
    expect(nodes.map(({ well, wrong }) => [well, wrong])).toEqual([
      [1, []],
      [0, []],
    ]);
  });

  it('holds it against the silent one once another has answered', async () => {
    const nodes = silent('a', 'b');
    const running = run(...nodes);
    jest.advanceTimersByTime(DELAY_MS + 2);
    nodes[1].attempt.answered(undefined);
    await running;
    expect(nodes[0].wrong).toEqual(['it was silent until another node had answered']);
    expect(nodes[1].well).toBe(1);
  });

  it('is sent to a third, later, and to nobody after that', async () => {
    const nodes = silent('a', 'b', 'c');
    const running = run(...nodes);
    jest.advanceTimersByTime(2 * DELAY_MS);
    expect(asked(nodes)).toEqual([1, 1, 0]);
    jest.advanceTimersByTime(DELAY_MS);
    expect(asked(nodes)).toEqual([1, 1, 1]);
    jest.advanceTimersByTime(10_000);
    for (const node of nodes) node.attempt.failed(late());
    expect(await failure(running)).toMatchObject({ kind: 'timeout' });
    expect(nodes.map(({ wrong }) => wrong)).toEqual([[], [], []]); // as nobody did better
  });

  it('holds it against the silent one where another answered others meanwhile', async () => {
    const [hangs, well] = silent('a', 'b');
    const running = run(hangs);
    jest.advanceTimersByTime(1_000);
    const other = run(well);
    well.attempt.answered(undefined);
    await other;
    hangs.attempt.failed(late());
    await failure(running);
    expect(hangs.wrong).toEqual(['it did not answer in time']);
  });

  it('ends with the refusal where one was heard and the other stayed silent', async () => {
    const [first, second] = silent('a', 'b');
    const running = run(first, second);
    jest.advanceTimersByTime(DELAY_MS + 2);
    second.attempt.failed(REFUSED);
    first.attempt.failed(late());
    expect(await failure(running)).toMatchObject({ kind: 'unavailable' });
  });

  it('waits on for the first when the second refuses', async () => {
    const [first, second] = silent('a', 'b');
    const running = run(first, second);
    jest.advanceTimersByTime(DELAY_MS + 2);
    second.attempt.failed(REFUSED);
    first.attempt.answered(row('from a'));
    expect(await running).toEqual(row('from a'));
  });

  it('is sent to one that is put aside where nobody else is left', async () => {
    const [first, aside] = silent('a', 'b');
    aside.isAside = true;
    const running = run(first, aside);
    jest.advanceTimersByTime(DELAY_MS + 2);
    aside.attempt.answered(undefined);
    await running;
    expect(first.wrong).toHaveLength(1);
  });

  it('is not hedged beyond what answers in time have paid for', () => {
    const running = Array.from({ length: 30 }, () => silent('a', 'b'));
    for (const nodes of running) void failure(run(...nodes));
    jest.advanceTimersByTime(10_000);
    expect(hedged).toHaveLength(10);
    for (let i = 0; i < 26; i++) hedging.answered('set', 1);
    expect(hedging.spend('set')).toBe(true);
    expect(hedging.spend('set')).toBe(false);
  });

  it('asks another at once when its node is put aside meanwhile', async () => {
    const nodes = silent('a', 'b', 'c');
    const running = run(...nodes);
    nodes[0].attempt.suspected?.();
    expect(asked(nodes)).toEqual([1, 1, 0]);
    nodes[0].attempt.suspected?.(); // the second is waited for already
    expect(asked(nodes)).toEqual([1, 1, 0]);
    nodes[1].attempt.answered(undefined);
    await running;
    nodes[0].attempt.suspected?.();
    expect([asked(nodes), hedged, nextTries]).toEqual([[1, 1, 0], [], 1]);
  });

  it('asks none that is put aside itself because of that', async () => {
    const nodes = silent('a', 'b');
    nodes[1].isAside = true;
    const running = run(...nodes);
    nodes[0].attempt.suspected?.();
    expect(asked(nodes)).toEqual([1, 0]);
    nodes[0].attempt.failed(REFUSED);
    nodes[1].attempt.answered(undefined);
    await running;
  });
});

describe('a delete, for which every datacenter has to answer', () => {
  const remove = (...nodes: Node[]): Promise<Row | undefined> =>
    runOn(nodes, { ...execution, statement: 'delete' }, DEADLINE, { wheel, hedging });

  it('is sent to the same coordinators again while all are silent, as each draws whom it tells there', async () => {
    const nodes = silent('a', 'b', 'c');
    const running = remove(...nodes);
    jest.advanceTimersByTime(100 + 110 + 121 + 133 + 20);
    expect(asked(nodes)).toEqual([2, 2, 1]);
    nodes[1].attempt.answered(undefined);
    await running;
  });

  it('lets those after it wait no longer, and pays for its hedges, however late its coordinator draws a node that is well', async () => {
    for (let i = 0; i < 100; i++) {
      const nodes = silent('a', 'b', 'c');
      const running = remove(...nodes);
      jest.advanceTimersByTime(hedging.delayOf('delete') + 10);
      nodes[1].attempt.answered(undefined);
      await running;
    }
    expect(hedging.delayOf('delete')).toBeLessThan(20);
    expect(hedging.spend('delete')).toBe(true);
  });

  it('is not sent to them again when they refuse', async () => {
    const nodes = [new Node('a', REFUSED), new Node('b', REFUSED)];
    expect(await failure(remove(...nodes))).toMatchObject({ kind: 'unavailable' });
    expect(asked(nodes)).toEqual([1, 1]);
  });

  it('holds nothing against coordinators', async () => {
    const nodes = silent('a', 'b');
    const running = remove(...nodes);
    jest.advanceTimersByTime(150);
    nodes[1].attempt.answered(undefined);
    await running;
    expect(nodes[0].wrong).toEqual([]);
  });
});

describe('what is held against a node', () => {
  it('is a refusal of what another grants, without the words of the server', async () => {
    const refusing = new Node('a', REFUSED);
    await run(refusing, new Node('b', row('from b')));
    expect(refusing.wrong).toEqual([
      'it refused what another node granted: too few replicas are alive for the consistency level',
    ]);
  });

  it('is no refusal that all agree on, and no connection that was lost', async () => {
    const agreed = [new Node('a', REFUSED), new Node('b', REFUSED)];
    await failure(run(...agreed));
    const lost = new Node('c', new ConnectionLost('lost'));
    await run(lost, new Node('d', row('from d')));
    expect([...agreed, lost].map(({ wrong }) => wrong)).toEqual([[], [], []]);
  });
});
