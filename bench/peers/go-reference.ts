import type { BenchTable } from '../bench-table.js';
import { GO_REFERENCE } from '../go-programs.js';
import { ownDirectory } from './own-directory.js';
import { BASE_URI, GO_REFERENCES, type Peer, type RunningPeer } from './peer.js';
import { PeerProcess } from './peer-process.js';

/** How each setting is made; `-1` is GOMAXPROCS=1, where without it there are as many threads as cores. */
const SETTINGS: Record<(typeof GO_REFERENCES)[number], { env?: Record<string, string>; flags?: string[] }> = {
  go: {},
  'go-1': { env: { GOMAXPROCS: '1' } },
  'go-1-direct': { env: { GOMAXPROCS: '1' }, flags: ['-direct'] },
};

export function goReferences(table: BenchTable): Peer[] {
  return GO_REFERENCES.map((name) => {
    const { env = {}, flags = [] } = SETTINGS[name];
    return { name, store: 'cassandra', kind: 'service', start: () => start(name, table, flags, env) };
  });
}

async function start(
  name: string,
  table: BenchTable,
  more: string[],
  env: Record<string, string>,
): Promise<RunningPeer> {
  const settings = {
    hosts: table.hosts.join(','),
    dc: table.datacenter,
    keyspace: table.keyspace,
    'base-uri': BASE_URI,
  };
  const args = Object.entries(settings).map(([flag, value]) => `-${flag}=${value}`);
  const child = await PeerProcess.spawn(name, [GO_REFERENCE, ...args, ...more], ownDirectory(), env);
  const address = await child.listening();
  return { name, address, dialect: 'kask', baseUri: BASE_URI, pids: [child.pid], stop: () => child.stop() };
}
