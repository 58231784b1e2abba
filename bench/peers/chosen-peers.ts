import type { BenchTable } from '../bench-table.js';
import { type Options, UsageError } from '../options.js';
import { floors } from './floors.js';
import { goReferences } from './go-reference.js';
import { type Build, kaskEmbedded, kaskOnCassandra, OUR_BUILD } from './kask.js';
import { fetchNode } from './node-releases.js';
import type { Peer } from './peer.js';
import { webdis, webdisExists } from './webdis.js';

export interface ChosenPeers {
  /** In the order of the tables. */
  all: Peer[];
  /** Those whose start is timed. */
  starting: Peer[];
}

export async function choosePeers(options: Options, table: BenchTable): Promise<ChosenPeers> {
  const builds = await otherBuilds(options);
  const embedded = kaskEmbedded('kask-embedded');
  const lane = kaskOnCassandra('kask-lane', table, 'lane');
  const references = goReferences(table);
  const others = [
    lane,
    kaskOnCassandra('kask-driver', table, 'driver'),
    ...builds.map(({ name, build }) => kaskOnCassandra(name, table, 'lane', build)),
    embedded,
    ...(webdisExists() ? [webdis] : []),
    ...floors(table),
  ];
  const starting = [
    embedded,
    ...builds.map(({ name, build }) => kaskEmbedded(`${name}-embedded`, build)),
    lane,
  ];
  requireKnown(options.peers, others);
  const wanted = ({ name }: Peer) => options.peers.length === 0 || options.peers.includes(name);
  return {
    all: [...references, ...others.filter(wanted)],
    starting: [...references.slice(0, 1), ...starting],
  };
}

function requireKnown(names: readonly string[], peers: Peer[]): void {
  const known = peers.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new UsageError(`no such peer: ${unknown.join(', ')}; there are ${known.join(', ')}`);
}

async function otherBuilds(options: Options): Promise<{ name: string; build: Build }[]> {
  const fetched = await Promise.all(options.nodeReleases.map(fetchNode));
  return [
    ...options.others.map(({ name, path }) => ({ name, build: { ...OUR_BUILD, main: path } })),
    ...[...options.nodes, ...fetched].map(({ name, path }) => ({
      name,
      build: { ...OUR_BUILD, node: path },
    })),
  ];
}
