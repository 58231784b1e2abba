import path from 'node:path';
import { REPOSITORY } from '../../test/harness/repository.js';
import type { BenchTable } from '../bench-table.js';
import { SESSIONS } from '../scenarios.js';
import { ownDirectory } from './own-directory.js';
import { BASE_URI, type Peer, type RunningPeer } from './peer.js';
import { PeerProcess } from './peer-process.js';

const COMPILED = path.join(REPOSITORY, '.cache/bench/bench/floors');

/** Parts of the way by themselves; each is a file of bench/floors. */
export function floors(table: BenchTable): Peer[] {
  const onTable = [table.hosts[0] ?? '', table.datacenter, table.keyspace];
  return [
    floor('node:http', 'constant', 'none', [String(SESSIONS.bytes)]),
    floor('node:http+lane', 'lane', 'cassandra', onTable),
    floor('node:http+driver', 'driver', 'cassandra', onTable),
  ];
}

function floor(name: string, file: string, store: string, args: string[]): Peer {
  return { name, store, kind: 'floor', start: () => start(name, file, args) };
}

async function start(name: string, file: string, args: string[]): Promise<RunningPeer> {
  const command = [process.execPath, path.join(COMPILED, `${file}.js`), ...args];
  const child = await PeerProcess.spawn(name, command, ownDirectory());
  const address = await child.listening();
  return { name, address, dialect: 'kask', baseUri: BASE_URI, pids: [child.pid], stop: () => child.stop() };
}
