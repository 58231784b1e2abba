import { closeSync, existsSync, mkdirSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { type Database, open, type RootDatabase, type RootDatabaseOptions } from 'lmdb';
import { StorageError } from '../storage-error.js';
import { describeFailure } from './failure.js';

/** What the rows look like; a row of the file's own tells it, so that another version never guesses. */
const FORMAT = '2';
/** Its rows are among those of today. A version that wrote it must not open the file again: it would lose entries. */
const FORMAT_BEFORE = '1';
const FORMAT_KEY = Buffer.from('format');

/** Here an LMDB file says in its first page that it is one, and the version of LMDB's own layout. */
const MAGIC_OFFSET = 24;
const MAGIC = Buffer.from(new Uint32Array([0xbeefc0de, 2]).buffer);

const OPTIONS: RootDatabaseOptions & { permissionsMode: number } = {
  keyEncoding: 'binary',
  encoding: 'binary',
  maxDbs: 2,
  // Of address space, not of disk or memory. A file that outgrows its map is mapped once more, and the old map stays.
  mapSize: 64 * 1024 ** 3,
  noSubdir: false, // else LMDB takes a name with a dot in it for a file
  permissionsMode: 0o600, // a session is a credential
  // Otherwise what a commit wrote can be read before it is on disk, and lmdb promises no more than that.
  overlappingSync: false,
  // Otherwise lmdb keeps a promise of its own for each turn of the event loop; when a commit fails nobody handles it
  // and the process dies. What belongs together is in one batch or transaction anyway.
  eventTurnBatching: false,
};

type Rows = Database<Buffer, Buffer>;

/** The open files, in LMDB's word for them. */
export interface Environment {
  root: RootDatabase<Buffer, Buffer>;
  sessions: Rows;
  /** An entry for each session that expires, by time: what a sweep walks. */
  expiries: Rows;
}

/** Opens the files in a directory for this process alone; throws what an operator has to know in one line. */
export function openEnvironment(directory: string): Environment {
  let root: RootDatabase<Buffer, Buffer> | undefined;
  try {
    root = openRoot(directory);
    return claim(root, directory);
  } catch (error) {
    void root?.close();
    if (error instanceof StorageError) throw error;
    throw refusal(directory, `cannot be opened: ${describeFailure(error, directory)}`);
  }
}

function openRoot(directory: string): RootDatabase<Buffer, Buffer> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  refuseForeignFile(directory);
  return open<Buffer, Buffer>(directory, OPTIONS);
}

/** LMDB brings the process down when it is given a file that is not its own. */
function refuseForeignFile(directory: string): void {
  const file = path.join(directory, 'data.mdb');
  if (!existsSync(file)) return;
  const head = Buffer.alloc(MAGIC_OFFSET + MAGIC.length);
  const descriptor = openSync(file, 'r+');
  const read = readSync(descriptor, head);
  closeSync(descriptor);
  if (read > 0 && !head.subarray(MAGIC_OFFSET).equals(MAGIC))
    throw refusal(directory, 'cannot be opened: its data.mdb is not a file of this store');
}

/**
 * LMDB lets many processes write one file; a second service there is an operator's mistake. A process that serves has
 * a place in the file's list of readers, which LMDB empties of the dead. Looking at the list and taking the place
 * are one write transaction, so of two that start at once one sees the other. Nobody's place is told by its process
 * id: in containers both may be 1.
 */
function claim(root: RootDatabase<Buffer, Buffer>, directory: string): Environment {
  return root.transactionSync(() => {
    const others = readerPids(root.readerList());
    if (others.length > 0)
      throw refusal(directory, `is in use by process ${others.join(', ')}: one service at a time may use it`);
    checkFormat(root, directory);
    const environment = {
      root,
      sessions: root.openDB({ name: 'sessions', keyEncoding: 'binary', encoding: 'binary' }),
      expiries: root.openDB({ name: 'expiries', keyEncoding: 'binary', encoding: 'binary' }),
    };
    // Opening a database gives the place up, so it is taken last. Idle, it keeps no old page from being used again.
    root.useReadTransaction().done();
    return environment;
  });
}

function readerPids(list: string): string[] {
  return [...new Set([...list.matchAll(/^\s*(\d+)\s/gm)].map(([, pid]) => pid as string))];
}

function checkFormat(root: RootDatabase<Buffer, Buffer>, directory: string): void {
  const found = root.getBinary(FORMAT_KEY)?.toString();
  if (found === FORMAT) return;
  if (found !== undefined && found !== FORMAT_BEFORE)
    throw refusal(directory, `has format ${found}, and this version of the service reads format ${FORMAT}`);
  void root.put(FORMAT_KEY, Buffer.from(FORMAT));
}

function refusal(directory: string, reason: string): StorageError {
  return new StorageError(
    'unavailable',
    `the embedded store in ${directory} ${reason} (embedded.path has to name a directory on a local disk that this service may write to and no other uses)`,
  );
}
