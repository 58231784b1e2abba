import { inspect } from 'node:util';
import { errors, types } from 'cassandra-driver';
import { StorageError } from '../storage-error.js';
import { explain, fromDriverError } from './cassandra-errors.js';

const code = types.responseErrorCodes;
const KEY = 'enwiki:MWSession:secret';

function response(number: number, message = `something about ${KEY}`): errors.ResponseError {
  return new errors.ResponseError(number, message);
}

function noHost(innerErrors: Record<string, unknown>): errors.NoHostAvailableError {
  return new errors.NoHostAvailableError(innerErrors);
}

function lostSocket(): Error {
  return Object.assign(new Error('Socket was closed'), { isSocketError: true });
}

function refused(): Error {
  return Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:9042'), { syscall: 'connect' });
}

describe('fromDriverError', () => {
  const table = 'Cassandra does not accept the statement; is the table as it should be?';

  it.each<[string, unknown, string, string]>([
    ['a node that fails', response(code.serverError), 'unavailable', 'a Cassandra node failed'],
    [
      'a password that is wrong',
      response(code.badCredentials),
      'unavailable',
      'Cassandra refuses the user name or password',
    ],
    [
      'too few replicas',
      response(code.unavailableException),
      'unavailable',
      'too few replicas are alive for the consistency level',
    ],
    ['a node under load', response(code.overloaded), 'unavailable', 'a Cassandra node is overloaded'],
    [
      'a node that starts',
      response(code.isBootstrapping),
      'unavailable',
      'a Cassandra node is still starting',
    ],
    [
      'a late write',
      response(code.writeTimeout),
      'timeout',
      'replicas did not answer a write in time; it may have been applied',
    ],
    ['a late read', response(code.readTimeout), 'timeout', 'replicas did not answer a read in time'],
    ['a failed read', response(code.readFailure), 'unavailable', 'a replica failed while reading'],
    [
      'a failed write',
      response(code.writeFailure),
      'unavailable',
      'a replica failed while writing; it may have been applied',
    ],
    [
      'a role without permission',
      response(code.unauthorized),
      'unavailable',
      'Cassandra does not permit this user to use the table',
    ],
    [
      'a statement that is refused',
      response(code.invalid, 'table values does not exist'),
      'unavailable',
      table,
    ],
    [
      'a TTL past 2038',
      response(
        code.invalid,
        'Request on table kask.values with ttl of 630720000 seconds exceeds maximum supported expiration date',
      ),
      'unavailable',
      'Cassandra does not accept a TTL of this length (default_ttl, or Kask-TTL)',
    ],
    [
      'a value beyond half a commit log segment (5.0)',
      response(
        code.invalid,
        `Rejected an oversized mutation (9437255/8388608) for keyspace: kask. Top keys are: values.${KEY}`,
      ),
      'too_large',
      'Cassandra does not take a value of this size',
    ],
    [
      'a value beyond half a commit log segment (4.0)',
      response(
        code.serverError,
        'java.lang.IllegalArgumentException: Mutation of 16.5MiB is too large for the maximum size of 16MiB',
      ),
      'too_large',
      'Cassandra does not take a value of this size',
    ],
    [
      'a value beyond a message of version 5',
      response(code.invalid, 'CQL Message of size 8000071 bytes exceeds allowed maximum of 6488064 bytes'),
      'too_large',
      'Cassandra does not take a value of this size',
    ],
    [
      'a value beyond a frame',
      response(code.invalid, 'Request is too big: length 20971589 exceeds maximum allowed length 16777216.'),
      'too_large',
      'Cassandra does not take a value of this size',
    ],
    [
      'a value beyond a guardrail',
      response(
        code.invalid,
        'Guardrail column_value_size violated: Value of column value has size 2MiB, this exceeds the failure threshold of 1MiB.',
      ),
      'too_large',
      'Cassandra does not take a value of this size',
    ],
    [
      'silence',
      new errors.OperationTimedOutError('The host did not reply', '10.0.0.1'),
      'timeout',
      'Cassandra did not answer in time',
    ],
    [
      'no stream left',
      new errors.BusyConnectionError('10.0.0.1:9042', 2048, 1),
      'unavailable',
      'every connection to Cassandra is busy',
    ],
    [
      'a refused login',
      new errors.AuthenticationError('Provided username and/or password are incorrect'),
      'unavailable',
      'Cassandra refuses the user name or password',
    ],
    ['a lost socket', lostSocket(), 'unavailable', 'a connection to Cassandra was lost'],
    ['a refused connection', refused(), 'unavailable', 'a connection to Cassandra was lost'],
    [
      'an empty pool',
      new Error('No connection available'),
      'unavailable',
      'a connection to Cassandra was lost',
    ],
    ['no node at all', noHost({}), 'unavailable', 'no Cassandra node can be reached'],
    [
      'nodes that were not asked',
      noHost({ '10.0.0.1:9042': 'Host considered as DOWN', '10.0.0.2:9042': null }),
      'unavailable',
      'no Cassandra node can be reached',
    ],
    [
      'nodes that are all silent',
      noHost({
        a: new errors.OperationTimedOutError('late'),
        b: new errors.OperationTimedOutError('late'),
        c: 'Host considered as DOWN',
      }),
      'timeout',
      'Cassandra did not answer in time',
    ],
    [
      'a reason among silence',
      noHost({ a: new errors.OperationTimedOutError('late'), b: response(code.unavailableException) }),
      'unavailable',
      'too few replicas are alive for the consistency level',
    ],
    ['a dropped table', noHost({ a: response(code.unprepared) }), 'unavailable', table],
  ])('%s', (_what, error, kind, reason) => {
    expect(fromDriverError(error)).toMatchObject({ kind, reason });
    expect((fromDriverError(error) as StorageError).message).toBe(reason);
  });

  it.each<[string, Error]>([
    ['a syntax error', response(code.syntaxError)],
    ['a protocol error', response(code.protocolError)],
    ['a wrong argument', new errors.ArgumentError('wrong')],
    ['a fault of the driver', new errors.DriverInternalError('fault')],
    ['what the driver cannot do', new errors.NotSupportedError('cannot')],
    ['a fault of ours', new TypeError('undefined is not a function')],
  ])('%s is nobody else’s fault', (_what, error) => {
    expect(fromDriverError(error)).toBe(error);
  });

  it('has an outcome for every code that the driver knows', () => {
    const ours = ['syntaxError', 'configError', 'alreadyExists', 'protocolError', 'functionFailure'];
    const never = ['clientWriteFailure'];
    const numbers = Object.entries(code).filter(
      (each): each is [string, number] => typeof each[1] === 'number',
    );
    const others = numbers.filter(([, number]) => {
      const told = fromDriverError(response(number));
      return !(told instanceof StorageError);
    });
    expect(others.map(([name]) => name).sort()).toEqual([...ours, ...never].sort());
  });

  it('takes no word of a server into a reason', () => {
    for (const number of Object.values(code).filter((each) => typeof each === 'number')) {
      const told = fromDriverError(response(number, `Rejected an oversized mutation, ${KEY}`));
      if (told instanceof StorageError) expect(told.reason).not.toContain(KEY);
    }
  });

  it('leaves no word about a value that is too large in an error, as that names the key', () => {
    const tooLarge = response(code.invalid, `Rejected an oversized mutation, ${KEY}`);
    for (const error of [tooLarge, noHost({ 'a:9042': tooLarge, 'b:9042': refused() })])
      expect(inspect(fromDriverError(error), { depth: Infinity, showHidden: true })).not.toContain(KEY);
  });
});

describe('explain', () => {
  it('tells what each node said, in an order that does not change', () => {
    const error = noHost({ 'b:9042': refused(), 'a:9042': 'Host considered as DOWN', 'c:9042': null });
    expect(explain(error)).toBe(
      'a:9042: Host considered as DOWN; b:9042: connect ECONNREFUSED 10.0.0.1:9042; c:9042: no answer',
    );
  });

  it('tells what OpenSSL says without where it says it', () => {
    const message = '808C:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:record.c:350:\n';
    const error = Object.assign(new Error(message), {
      library: 'SSL routines',
      reason: 'wrong version number',
    });
    expect(explain(noHost({ 'a:9042': error }))).toBe('a:9042: TLS: wrong version number');
  });

  it('tells that no name could be resolved', () => {
    expect(explain(new errors.NoHostAvailableError({}, 'No host could be resolved'))).toBe(
      'No host could be resolved',
    );
  });
});
