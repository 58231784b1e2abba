import { types } from 'cassandra-driver';

export const STATEMENT_NAMES = [
  'get',
  'getWritten',
  'set',
  'delete',
  'deleteLocally',
  'deleteAtOne',
] as const;
export type StatementName = (typeof STATEMENT_NAMES)[number];
/** Lightweight transactions, and the read that sees what they have decided. */
export const CONDITIONAL_NAMES = ['getSerial', 'swap', 'replace', 'deleteSeen', 'deletePresent'] as const;
export type ConditionalName = (typeof CONDITIONAL_NAMES)[number];

export interface Statement {
  readonly cql: string;
  readonly consistency: types.consistencies;
}

export type SessionStatements = Readonly<Record<StatementName, Statement>>;
export type ConditionalStatements = Readonly<Record<ConditionalName, Statement>>;

/**
 * The statements of a session. Their consistency levels are constants of the design, not settings:
 * - reads and writes at LOCAL_QUORUM meet in at least one replica of this datacenter, so that a user reads what he
 *   wrote, without waiting for the other datacenter;
 * - deletes at EACH_QUORUM, so that a logout holds in every datacenter before it is answered. Cassandra refuses that
 *   before it writes anything when a datacenter lacks its quorum; the same delete at LOCAL_QUORUM, and at ONE where that
 *   is refused too, goes to every replica that is alive all the same: the level is only who has to answer.
 * What is left of the TTL comes with the value; when it was written, only to who wants to renew it.
 * The TTL is bound: a TTL in the text would make a prepared statement for each value of it. Bound as 0 it means
 * "never expires", whatever the table's default is. Identifiers are quoted: `values` is a word of CQL.
 */
export function sessionStatements(keyspace: string, table: string): SessionStatements {
  const name = qualified(keyspace, table);
  const { one, localQuorum, eachQuorum } = types.consistencies;
  const remove = `DELETE FROM ${name} WHERE key = ?`;
  return {
    get: { cql: `SELECT value, TTL(value) FROM ${name} WHERE key = ?`, consistency: localQuorum },
    getWritten: {
      cql: `SELECT value, TTL(value), WRITETIME(value) FROM ${name} WHERE key = ?`,
      consistency: localQuorum,
    },
    set: { cql: `INSERT INTO ${name} (key, value) VALUES (?, ?) USING TTL ?`, consistency: localQuorum },
    delete: { cql: remove, consistency: eachQuorum },
    deleteLocally: { cql: remove, consistency: localQuorum },
    deleteAtOne: { cql: remove, consistency: one },
  };
}

/**
 * Of keys whose every write is conditional. All replicas of all datacenters decide (SERIAL), so that there is one winner
 * and not one in each datacenter, and each datacenter has it before it is answered (EACH_QUORUM), so that plain reads see
 * it (ADR 0014). UPDATE and not INSERT, whose mark of the row would be there beside the value. A value that is compared
 * with null is absent; compared with one that nobody has, anything holds.
 */
export function conditionalStatements(keyspace: string, table: string): ConditionalStatements {
  const name = qualified(keyspace, table);
  const { serial, eachQuorum } = types.consistencies;
  const update = `UPDATE ${name} USING TTL ? SET value = ? WHERE key = ?`;
  const remove = `DELETE FROM ${name} WHERE key = ?`;
  return {
    getSerial: { cql: `SELECT value, TTL(value) FROM ${name} WHERE key = ?`, consistency: serial },
    swap: { cql: `${update} IF value = ?`, consistency: eachQuorum },
    replace: { cql: `${update} IF value != ?`, consistency: eachQuorum },
    deleteSeen: { cql: `${remove} IF value = ?`, consistency: eachQuorum },
    deletePresent: { cql: `${remove} IF value != ?`, consistency: eachQuorum },
  };
}

export function createKeyspace(keyspace: string, replicas: Readonly<Record<string, number>>): string {
  return `CREATE KEYSPACE ${quoted(keyspace)} WITH replication = ${replication(replicas)};`;
}

export function replication(replicas: Readonly<Record<string, number>>): string {
  return literal({ class: 'NetworkTopologyStrategy', ...replicas });
}

export function createTable(keyspace: string, table: string): string {
  return `CREATE TABLE ${qualified(keyspace, table)} (key text PRIMARY KEY, value blob);`;
}

/** As CQL writes it. */
export function literal(value: number | string | Readonly<Record<string, number | string>>): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return text(value);
  const entries = Object.entries(value).map(([name, each]) => `${text(name)}: ${literal(each)}`);
  return `{${entries.join(', ')}}`;
}

export function qualified(keyspace: string, table: string): string {
  return `${quoted(keyspace)}.${quoted(table)}`;
}

export function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
