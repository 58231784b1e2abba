import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'cassandra-driver';
import { CassandraCluster } from '../test/harness/cassandra/cluster.js';
import { CQL_PORT } from '../test/harness/cassandra/loopback.js';

// How much disk tables of sessions take beside what is alive in them, by their options: the figures of
// docs/manual/capacity.md. Time is shortened: a TTL of 40 s stands for one of a day, and a memtable is flushed every
// second. It takes half an hour and 2 GB of memory.

const TTL = 40;
const FLUSH_MS = 1_000;
const WRITES_A_SECOND = 100;
const VALUE_BYTES = 2_000;
const ROWS_AT_REST = 10_000;
const TICK_MS = 100;
const LEVELED = `{'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': '1'}`;
const TIERED = `{'class': 'SizeTieredCompactionStrategy', 'min_sstable_size': '0'}`;

interface Aging {
  name: string;
  compaction: string;
  /** In lives of a session. */
  graceTtls: number;
  writesOfSession: number;
}

const agings: Aging[] = [
  { name: 'ucs T4, gc_grace 10 TTL', compaction: unified('T4'), graceTtls: 10, writesOfSession: 1 },
  { name: 'the same, gc_grace 1 TTL', compaction: unified('T4'), graceTtls: 1, writesOfSession: 1 },
  { name: 'the same, gc_grace 30 TTL', compaction: unified('T4'), graceTtls: 30, writesOfSession: 1 },
  { name: 'ucs T4, written 10 times', compaction: unified('T4'), graceTtls: 10, writesOfSession: 10 },
  { name: 'ucs L10', compaction: unified('L10'), graceTtls: 10, writesOfSession: 1 },
  { name: 'leveled', compaction: LEVELED, graceTtls: 10, writesOfSession: 1 },
  { name: 'size-tiered', compaction: TIERED, graceTtls: 10, writesOfSession: 1 },
];

const cluster = await CassandraCluster.start({ datacenters: { eqiad: 1 } });
const client = new Client({
  contactPoints: cluster.contactPoints.map((address) => `${address}:${CQL_PORT}`),
  localDataCenter: 'eqiad',
  socketOptions: { readTimeout: 60_000 },
});
try {
  await client.connect();
  await client.execute(
    `CREATE KEYSPACE disk WITH replication = {'class': 'NetworkTopologyStrategy', 'eqiad': 1}`,
  );
  await measureAtRest();
  await Promise.all(agings.map((aging, i) => measureAging(aging, `aging${i}`)));
} finally {
  await client.shutdown();
  await cluster.stop();
}

/** Bytes on disk for each row that is written once, by what is in it and how it is compressed. */
async function measureAtRest(): Promise<void> {
  const contents = { json: sessionText, random: () => randomBytes(VALUE_BYTES) };
  const compressions = {
    none: `{'enabled': 'false'}`,
    lz4of4: `{'class': 'LZ4Compressor', 'chunk_length_in_kb': '4'}`,
    lz4of16: `{'class': 'LZ4Compressor', 'chunk_length_in_kb': '16'}`,
  };
  for (const [content, value] of Object.entries(contents))
    for (const [compression, options] of Object.entries(compressions)) {
      const table = `${content}_${compression}`;
      await createTable(table, unified('T4'), 864_000, options);
      for (let from = 0; from < ROWS_AT_REST; from += 100)
        await Promise.all(
          Array.from({ length: 100 }, (_, i) => write(table, key(from + i), value(), 86_400)),
        );
      await sleep(10 * FLUSH_MS);
      const bytes = Math.round(bytesOnDisk(table) / ROWS_AT_REST);
      print(`${content} of ${value().length} bytes, ${compression}`, `${bytes} bytes a row`);
    }
}

/** Writes for as long as a deleted row is kept and six lives more; the figures are of the last four. */
async function measureAging(aging: Aging, table: string): Promise<void> {
  await createTable(table, aging.compaction, aging.graceTtls * TTL);
  const end = Date.now() + 1000 * TTL * (aging.graceTtls + 6);
  const last = new Map<string, number>();
  const sizes: number[] = [];
  for (let written = 0, tick = Date.now(); tick < end; tick += TICK_MS) {
    await sleep(tick - Date.now());
    const keys = Array.from({ length: (WRITES_A_SECOND * TICK_MS) / 1000 }, () => keyOf(written++, aging));
    await Promise.all(keys.map((each) => write(table, each, randomBytes(VALUE_BYTES), TTL)));
    for (const each of keys) last.set(each, Date.now());
    if (tick > end - 4000 * TTL) sizes.push(bytesOnDisk(table));
  }
  const alive = [...last.values()].filter((time) => time > Date.now() - 1000 * TTL).length * VALUE_BYTES;
  const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  print(aging.name, `alive ${mib(alive)}`, `mean ${mib(mean)} = ${(mean / alive).toFixed(2)}`);
  print('', `peak ${mib(Math.max(...sizes))} = ${(Math.max(...sizes) / alive).toFixed(2)}`);
}

/** Those that are written several times are so within an eighth of a life. */
function keyOf(write: number, { writesOfSession }: Aging): string {
  const open = writesOfSession === 1 ? 1 : (WRITES_A_SECOND * TTL) / 8 / writesOfSession;
  return key(Math.floor(write / writesOfSession) + Math.floor(Math.random() * open));
}

function unified(scaling: string): string {
  const options = `'scaling_parameters': '${scaling}', 'expired_sstable_check_frequency_seconds': '1'`;
  return `{'class': 'UnifiedCompactionStrategy', ${options}}`;
}

async function createTable(
  name: string,
  compaction: string,
  grace: number,
  compression = `{'class': 'LZ4Compressor', 'chunk_length_in_kb': '4'}`,
): Promise<void> {
  await client.execute(
    `CREATE TABLE disk.${name} (key text PRIMARY KEY, value blob) WITH gc_grace_seconds = ${grace}
     AND compaction = ${compaction} AND compression = ${compression}
     AND memtable_flush_period_in_ms = ${FLUSH_MS}`,
  );
}

async function write(table: string, session: string, value: Buffer, ttl: number): Promise<void> {
  const cql = `INSERT INTO disk.${table} (key, value) VALUES (?, ?) USING TTL ?`;
  await client.execute(cql, [session, value, ttl], { prepare: true });
}

function key(number: number): string {
  return `enwiki:MWSession:${number.toString(32).padStart(32, 'k')}`;
}

/** As MediaWiki's sessions: names that all have, and tokens that nobody else has. */
function sessionText(): Buffer {
  const tokens = Array.from({ length: 12 }, (_, i) => `token${i}:${randomBytes(32).toString('hex')}`);
  const pages = Array.from({ length: 12 }, (_, i) => ({ title: `Talk:Page ${i}`, seen: Math.random() }));
  const data = { wsUserName: 'Alice', wsUserID: 1234567, wsTokens: tokens, pages };
  return Buffer.from(`JSON.${randomBytes(32).toString('hex')}.${JSON.stringify({ data, metadata: null })}`);
}

/** What is being compacted counts twice, as it takes its room twice. */
function bytesOnDisk(table: string): number {
  const node = cluster.nodes[0]?.name ?? '';
  const keyspace = path.join(cluster.directory, node, 'data/disk');
  const folder = readdirSync(keyspace).find((name) => name.startsWith(`${table}-`)) ?? '';
  return readdirSync(path.join(keyspace, folder))
    .map((file) => statSync(path.join(keyspace, folder, file), { throwIfNoEntry: false }))
    .reduce((sum, stat) => sum + (stat?.isFile() ? stat.size : 0), 0);
}

function mib(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

function print(...cells: string[]): void {
  process.stdout.write(
    `${cells
      .map((cell) => cell.padEnd(42))
      .join('')
      .trimEnd()}\n`,
  );
}
