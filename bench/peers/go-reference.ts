import type { BenchTable } from '../bench-table.js';
import { GO_REFERENCE } from '../go-programs.js';
import { ownDirectory } from './own-directory.js';
import { BASE_URI, GO_DEFAULT, GO_ONE, type Peer, type RunningPeer } from './peer.js';
import { PeerProcess } from './peer-process.js';

export function goReferences(table: BenchTable): Peer[] {
  return [goReference(GO_DEFAULT, table, {}), goReference(GO_ONE, table, { GOMAXPROCS: '1' })];
}

function goReference(name: string, table: BenchTable, env: Record<string, string>): Peer {
  return { name, store: 'cassandra', kind: 'service', start: () => start(name, table, env) };
}

async function start(name: string, table: BenchTable, env: Record<string, string>): Promise<RunningPeer> {
  const flags = {
    hosts: table.hosts.join(','),
    dc: table.datacenter,
    keyspace: table.keyspace,
    'base-uri': BASE_URI,
  };
  const args = Object.entries(flags).map(([flag, value]) => `-${flag}=${value}`);
  const child = await PeerProcess.spawn(name, [GO_REFERENCE, ...args], ownDirectory(), env);
  const address = await child.listening();
  return { name, address, dialect: 'kask', baseUri: BASE_URI, pids: [child.pid], stop: () => child.stop() };
}
