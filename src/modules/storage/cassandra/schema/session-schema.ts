import type { TableName } from '../session-table.js';
import { literal, qualified, quoted, replication } from '../statements.js';
import { type TableOption, tableOptions } from './table-options.js';

/** What the table of sessions should be. */
export interface SessionSchema extends TableName {
  /** In each datacenter. */
  replicas: Readonly<Record<string, number>>;
  options: readonly TableOption[];
}

const REPLICATION =
  'A quorum of three survives one node. A datacenter that is not listed has no replica, and a logout does not wait for it.';
const MARGIN = 100;

/** @param release of Cassandra: the oldest that a node has */
export function sessionSchema(
  name: TableName,
  ttlSeconds: number,
  replicas: Readonly<Record<string, number>>,
  release: string,
): SessionSchema {
  return { ...name, replicas, options: tableOptions(ttlSeconds, release) };
}

/** Creates what is missing, and leaves alone what is there. */
export function creationOf(schema: SessionSchema): { keyspace: string; table: string } {
  const { keyspace, table, replicas, options } = schema;
  return {
    keyspace: `CREATE KEYSPACE IF NOT EXISTS ${quoted(keyspace)} WITH replication = ${replication(replicas)}`,
    table: `CREATE TABLE IF NOT EXISTS ${qualified(keyspace, table)} (key text PRIMARY KEY, value blob) WITH ${options.map(assignment).join(' AND ')}`,
  };
}

/** The same for people, with a reason above each line. */
export function describeSchema({ keyspace, table, replicas, options }: SessionSchema): string {
  return [
    ...comment(REPLICATION),
    `CREATE KEYSPACE IF NOT EXISTS ${quoted(keyspace)} WITH replication = ${replication(replicas)};`,
    '',
    `CREATE TABLE IF NOT EXISTS ${qualified(keyspace, table)} (key text PRIMARY KEY, value blob)`,
    ...options.flatMap((option, i) => [
      ...comment(option.reason).map((line) => `  ${line}`),
      `  ${i === 0 ? 'WITH' : 'AND'} ${assignment(option)}${i === options.length - 1 ? ';' : ''}`,
    ]),
    '',
  ].join('\n');
}

export function alterTable({ keyspace, table }: TableName, option: TableOption): string {
  return `ALTER TABLE ${qualified(keyspace, table)} WITH ${assignment(option)};`;
}

export function alterKeyspace({ keyspace, replicas }: SessionSchema): string {
  return `ALTER KEYSPACE ${quoted(keyspace)} WITH replication = ${replication(replicas)};`;
}

function assignment({ name, value }: TableOption): string {
  return `${name} = ${literal(value)}`;
}

function comment(text: string): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    if (`${lines.at(-1)} ${word}`.length > MARGIN) lines.push('');
    lines[lines.length - 1] += ` ${word}`;
  }
  return lines.map((line) => `--${line}`);
}
