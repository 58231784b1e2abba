import type { BenchTable } from '../bench-table.js';
import type { Options } from '../options.js';
import { goReferences } from './go-reference.js';
import { kaskEmbedded, kaskOnCassandra, OUR_BUILD } from './kask.js';
import type { Peer } from './peer.js';

/** All peers of a run, in the order of the tables. */
export function chosenPeers(options: Options, table: BenchTable): Peer[] {
  const ours = [
    kaskOnCassandra('kask, lane', table, 'lane'),
    kaskOnCassandra('kask, driver', table, 'driver'),
    ...options.others.map(({ name, path }) =>
      kaskOnCassandra(name, table, 'lane', { ...OUR_BUILD, main: path }),
    ),
    ...options.nodes.map(({ name, path }) =>
      kaskOnCassandra(name, table, 'lane', { ...OUR_BUILD, node: path }),
    ),
    kaskEmbedded('kask, embedded'),
  ];
  const wanted = ({ name }: Peer) => options.peers.length === 0 || options.peers.includes(name);
  return [...goReferences(table), ...ours.filter(wanted)];
}
