import { type Client, errors, types } from 'cassandra-driver';
import { ConditionalPath } from './conditional-path.js';
import { conditionalStatements } from './statements.js';

const code = types.responseErrorCodes;
const { serial, eachQuorum } = types.consistencies;
const path = new ConditionalPath(conditionalStatements('sessions', 'values'));
const SWAP = { statement: 'swap', parameters: [60, Buffer.from('b'), 'key', Buffer.from('a')] } as const;

/** A driver that answers so. */
function client(answer: Promise<unknown>): Client {
  return { execute: () => answer } as unknown as Client;
}

const rows = (row: Record<string, unknown> | null) => ({
  info: { queriedHost: 'node:9042', triedHosts: {} },
  first: () => row && { get: (name: string) => row[name] },
});
const said = (number: number, details: object = {}): Error =>
  Object.assign(new errors.ResponseError(number, 'as the test wants it'), details);

async function toldOf(error: Error, statement: 'swap' | 'getSerial' = 'swap'): Promise<unknown> {
  const running = path.run(client(Promise.reject(error)), { ...SWAP, statement }, 1_000);
  return running.then(() => 'nothing').catch((reason: unknown) => reason);
}

describe('what the replicas decide', () => {
  it.each([
    ['that it is applied', { '[applied]': true }, { isApplied: true, value: undefined }],
    ['what is there', { '[applied]': false, value: SWAP.parameters[3] }, { value: SWAP.parameters[3] }],
    ['that nothing is there', { '[applied]': false }, { isApplied: false, value: undefined }],
    ['that there is a row without a value', { '[applied]': false, value: null }, { value: undefined }],
    ['that there is no row', null, { isApplied: false, value: undefined }],
  ])('tells %s', async (_, row, decision) => {
    expect(await path.run(client(Promise.resolve(rows(row))), SWAP, 1_000)).toMatchObject(decision);
  });
});

describe('a conditional write that failed', () => {
  it.each([
    ['too few replicas to decide', said(code.unavailableException, { consistencies: serial })],
    ['a node that is starting', said(code.isBootstrapping)],
    ['a role that may not', said(code.unauthorized)],
    ['no node', new errors.NoHostAvailableError({ 'a:9042': 'Host considered as DOWN' })],
    ['connections that are busy', new errors.BusyConnectionError('a:9042', 2_048, 1)],
  ])('was not applied for %s', async (_, error) => {
    expect(await toldOf(error)).toMatchObject({ kind: 'unavailable' });
  });

  it.each([
    ['replicas that are late', said(code.writeTimeout, { writeType: 'CAS' })],
    ['replicas that fail', said(code.writeFailure)],
    ['too few replicas to commit', said(code.unavailableException, { consistencies: eachQuorum })],
    ['a node that fails', said(code.serverError)],
    ['a node that is overloaded', said(code.overloaded)],
    ['a node that is silent', new errors.OperationTimedOutError('late', 'a:9042')],
    ['a connection that breaks', Object.assign(new Error('reset'), { isSocketError: true })],
  ])('may have been applied for %s', async (_, error) => {
    const told = await toldOf(error);
    expect(told).toMatchObject({
      kind: 'timeout',
      reason: expect.stringMatching(/^(?!.*applied.*applied).*; it may have been applied$/),
    });
  });

  it('is too late after its time', async () => {
    const silent = client(new Promise(() => undefined));
    await expect(path.run(silent, SWAP, 10)).rejects.toMatchObject({ kind: 'timeout' });
  });

  it('is too large, whatever its condition', async () => {
    const error = new errors.ResponseError(
      code.invalid,
      'Mutation of 17MiB is too large for the maximum size',
    );
    expect(await toldOf(error)).toMatchObject({ kind: 'too_large' });
  });

  it('is our fault where it is nobody else’s', async () => {
    const error = new TypeError('a bug');
    expect(await toldOf(error)).toBe(error);
  });
});

it('a read has nothing that it may have applied', async () => {
  const told = await toldOf(said(code.readTimeout), 'getSerial');
  expect(told).toMatchObject({ kind: 'timeout', reason: 'replicas did not answer a read in time' });
});
