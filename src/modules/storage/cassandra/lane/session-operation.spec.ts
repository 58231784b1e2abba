import { errors, types } from 'cassandra-driver';
import { StorageError } from '../../storage-error.js';
import { ConnectionLost } from './channel.js';
import type { Execution } from './execution.js';
import type { Attempt } from './lane-connection.js';
import { type Coordinator, runOn } from './session-operation.js';

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

class Node implements Coordinator {
  readonly asked: { execution: Execution; deadline: number }[] = [];
  attempt: Attempt | undefined;

  constructor(
    readonly address: string,
    private readonly answer?: Buffer | Error,
  ) {}

  execute(asked: Execution, deadline: number, attempt: Attempt): void {
    this.asked.push({ execution: asked, deadline });
    this.attempt = attempt;
    if (this.answer instanceof Error) attempt.failed(this.answer);
    else if (this.answer) attempt.answered(this.answer);
  }
}

const run = (...nodes: Node[]): Promise<Buffer | undefined> => runOn(nodes, execution, DEADLINE);

describe('an operation', () => {
  it('asks the first and no other where that answers', async () => {
    const nodes = [new Node('a', Buffer.from('from a')), new Node('b', Buffer.from('from b'))];
    expect(await run(...nodes)).toEqual(Buffer.from('from a'));
    expect(nodes[1]?.asked).toEqual([]);
  });

  it.each<[string, Error]>([
    ['unavailable', said(code.unavailableException)],
    ['overloaded', said(code.overloaded)],
    ['bootstrapping', said(code.isBootstrapping)],
    ['server error', said(code.serverError)],
    ['truncate error', said(code.truncateError)],
    ['a connection that is lost', new ConnectionLost('lost')],
    ['a connection that is busy', new errors.BusyConnectionError('a', 2048, 1)],
  ])('asks the next after: %s', async (_, error) => {
    const nodes = [new Node('a', error), new Node('b', error), new Node('c', Buffer.from('from c'))];
    expect(await run(...nodes)).toEqual(Buffer.from('from c'));
    for (const node of nodes) {
      expect(node.asked).toHaveLength(1);
      expect(node.asked[0]?.execution).toBe(execution); // the same object, so the same timestamp
      expect(node.asked[0]?.deadline).toBe(DEADLINE);
    }
  });

  it.each<[string, Error, 'timeout' | 'unavailable' | undefined]>([
    ['no answer in time', late(), 'timeout'],
    ['read timeout', said(code.readTimeout), 'timeout'],
    ['write timeout', said(code.writeTimeout), 'timeout'],
    ['read failure', said(code.readFailure), 'unavailable'],
    ['write failure', said(code.writeFailure), 'unavailable'],
    ['unprepared, again', said(code.unprepared), 'unavailable'],
    ['unauthorized', said(code.unauthorized), 'unavailable'],
    ['invalid', said(code.invalid), 'unavailable'],
    ['bad credentials', said(code.badCredentials), 'unavailable'],
    ['syntax error', said(code.syntaxError), undefined],
    ['protocol error', said(code.protocolError), undefined],
    ['a fault of ours', new TypeError('ours'), undefined],
  ])('asks no other after: %s', async (_, error, kind) => {
    const next = new Node('b', Buffer.from('from b'));
    const failure: unknown = await run(new Node('a', error), next).catch((reason: unknown) => reason);
    if (kind) expect(failure).toMatchObject({ kind });
    else expect(failure).toBe(error);
    expect(next.asked).toEqual([]);
  });

  it('fails where there is none to ask', async () => {
    await expect(run()).rejects.toMatchObject({
      kind: 'unavailable',
      reason: 'no Cassandra node can be reached',
    });
  });

  it('tells what the decisive of many refusals was, and keeps them all', async () => {
    const failure: unknown = await run(
      new Node('a', new ConnectionLost('the node closed the connection')),
      new Node('b', said(code.unavailableException)),
      new Node('c', new errors.BusyConnectionError('c', 2048, 1)),
    ).catch((reason: unknown) => reason);
    expect(failure).toBeInstanceOf(StorageError);
    expect((failure as StorageError).kind).toBe('unavailable');
    const cause = ((failure as StorageError).cause as Error).message;
    for (const each of ['a: the node closed the connection', 'b: as the test wants it', 'c: '])
      expect(cause).toContain(each);
  });

  it('waits for a second as for the first', async () => {
    const [first, second] = [new Node('a'), new Node('b')];
    const running = run(first, second);
    first.attempt?.failed(new ConnectionLost('lost'));
    second.attempt?.answered(undefined);
    expect(await running).toBeUndefined();
  });

  it('asks a hundred that refuse at once without running out of stack', async () => {
    const nodes = Array.from({ length: 100 }, (_, i) => new Node(String(i), new ConnectionLost('lost')));
    await expect(run(...nodes)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(nodes.every((node) => node.asked.length === 1)).toBe(true);
  });
});
