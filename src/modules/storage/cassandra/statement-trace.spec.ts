import { types } from 'cassandra-driver';
import { CassandraSettings } from '../../../config/settings.js';
import { RequestTrace } from '../../../tracing/request-trace.js';
import type { Span } from '../../../tracing/span.js';
import { StorageError } from '../storage-error.js';
import { StatementTrace } from './statement-trace.js';
import { STATEMENT_NAMES, sessionStatements, type StatementName } from './statements.js';

describe('StatementTrace', () => {
  let spans: Span[];
  let request: RequestTrace;
  beforeEach(() => {
    spans = [];
    request = new RequestTrace(undefined, 0, { route: '/', address: 'us', port: 1 }, (span) =>
      spans.push(span),
    );
  });

  const begun = (statement: StatementName): StatementTrace =>
    new StatementTrace(request, statement, new CassandraSettings());

  it.each(STATEMENT_NAMES)('tells the verb and the level that %s has', (name) => {
    begun(name).ended();
    const { cql, consistency } = sessionStatements('kask', 'values')[name];
    const [verb] = cql.split(' ');
    const level = String(spans[0]?.attributes['cassandra.consistency.level']);
    expect(spans[0]?.name).toBe(`${verb} kask.values`);
    expect(types.consistencies[camelCase(level) as keyof typeof types.consistencies]).toBe(consistency);
  });

  it('tells who was asked beside the first, and who answered', () => {
    const trace = begun('get');
    trace.hedged('192.0.2.2:9042');
    trace.triedNext('[2001:db8::3]:9042');
    trace.answered('192.0.2.2:9042');
    trace.ended();
    const [{ attributes, events } = { attributes: {}, events: [] }] = spans;
    expect(attributes).toMatchObject({
      'server.address': '192.0.2.2',
      'server.port': 9042,
      'kask.attempts': 3,
      'cassandra.speculative_execution.count': 1,
    });
    expect(events.map(({ name, attributes }) => [name, attributes['server.address']])).toEqual([
      ['hedge', '192.0.2.2'],
      ['next try', '2001:db8::3'],
    ]);
  });

  it('tells how it failed, and of an error that nobody expected no more than that', () => {
    begun('set').ended(new StorageError('timeout', 'nobody answered'));
    begun('set').ended(new Error('the key'));
    expect(spans.map(({ error }) => error)).toEqual(['timeout', 'error']);
    expect(JSON.stringify(spans)).not.toContain('the key');
  });
});

function camelCase(level: string): string {
  return level.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
