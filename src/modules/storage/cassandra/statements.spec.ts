import { createKeyspace, createTable, sessionStatements } from './statements.js';

describe('the statements of a session', () => {
  it('quote their identifiers and bind everything else', () => {
    expect(sessionStatements('Kask', 'values')).toEqual({
      get: { cql: 'SELECT value FROM "Kask"."values" WHERE key = ?', consistency: 6 },
      set: { cql: 'INSERT INTO "Kask"."values" (key, value) VALUES (?, ?) USING TTL ?', consistency: 6 },
      delete: { cql: 'DELETE FROM "Kask"."values" WHERE key = ?', consistency: 7 },
      deleteLocally: { cql: 'DELETE FROM "Kask"."values" WHERE key = ?', consistency: 6 },
      deleteAtOne: { cql: 'DELETE FROM "Kask"."values" WHERE key = ?', consistency: 1 },
    });
  });

  it('come with those that create their table', () => {
    expect(createTable('kask', 'values')).toBe(
      'CREATE TABLE "kask"."values" (key text PRIMARY KEY, value blob);',
    );
    expect(createKeyspace('kask', { eqiad: 3, "o'dc": 1 })).toBe(
      `CREATE KEYSPACE "kask" WITH replication = {'class': 'NetworkTopologyStrategy', 'eqiad': 3, 'o''dc': 1};`,
    );
  });
});
