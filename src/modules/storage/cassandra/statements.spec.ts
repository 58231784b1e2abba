import { conditionalStatements, createKeyspace, createTable, sessionStatements } from './statements.js';

describe('the statements of a session', () => {
  it('quote their identifiers and bind everything else', () => {
    expect(sessionStatements('Kask', 'values')).toEqual({
      get: { cql: 'SELECT value, TTL(value) FROM "Kask"."values" WHERE key = ?', consistency: 6 },
      getWritten: {
        cql: 'SELECT value, TTL(value), WRITETIME(value) FROM "Kask"."values" WHERE key = ?',
        consistency: 6,
      },
      set: { cql: 'INSERT INTO "Kask"."values" (key, value) VALUES (?, ?) USING TTL ?', consistency: 6 },
      delete: { cql: 'DELETE FROM "Kask"."values" WHERE key = ?', consistency: 7 },
      deleteLocally: { cql: 'DELETE FROM "Kask"."values" WHERE key = ?', consistency: 6 },
      deleteAtOne: { cql: 'DELETE FROM "Kask"."values" WHERE key = ?', consistency: 1 },
    });
  });

  it('are decided by all replicas where a write is conditional', () => {
    const update = 'UPDATE "Kask"."values" USING TTL ? SET value = ? WHERE key = ?';
    const remove = 'DELETE FROM "Kask"."values" WHERE key = ?';
    expect(conditionalStatements('Kask', 'values')).toEqual({
      getSerial: { cql: 'SELECT value, TTL(value) FROM "Kask"."values" WHERE key = ?', consistency: 8 },
      swap: { cql: `${update} IF value = ?`, consistency: 7 },
      replace: { cql: `${update} IF value != ?`, consistency: 7 },
      deleteSeen: { cql: `${remove} IF value = ?`, consistency: 7 },
      deletePresent: { cql: `${remove} IF value != ?`, consistency: 7 },
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
