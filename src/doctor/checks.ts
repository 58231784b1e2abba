import type { Settings } from '../config/settings.js';
import { fail, type Finding } from '../finding.js';
import { explain } from '../modules/storage/cassandra/cassandra-errors.js';
import { connectionFix } from '../modules/storage/cassandra/connection-fix.js';
import { StorageError } from '../modules/storage/storage-error.js';
import { inTime } from '../modules/storage/storage-timeout.js';
import { certificateFindings } from './certificates.js';
import { clockFindings, type ClusterView, hasSessions, schemaSummary, viewCluster } from './cluster.js';
import { type Lookup, lookUp } from './dns.js';
import { listeningFindings } from './listening.js';
import { nodeFindings } from './nodes.js';
import { sessionFindings } from './sessions.js';
import { depoolFindings, diskFindings, openFilesFindings } from './this-process.js';

/** For what the cluster says of itself, in ms; nodes are then visited one by one all the same. */
const VIEW_MS = 10_000;

export interface Check {
  /** As docs/doctor.md has it. */
  name: string;
  /** Without it the check is for all. */
  storage?: Settings['storage'];
  run(place: Place): Promise<Finding[]> | Finding[];
}

/** What several checks look at, asked for once. */
export interface Place {
  settings: Settings;
  lookups: Promise<Lookup[]>;
  view: Promise<ClusterView>;
}

/** In the order in which they are told. */
export const CHECKS: readonly Check[] = [
  { name: 'files', run: ({ settings }) => openFilesFindings(settings) },
  { name: 'pool', run: ({ settings }) => depoolFindings(settings) },
  { name: 'listening', run: ({ settings }) => listeningFindings(settings) },
  { name: 'certificates', run: ({ settings }) => certificateFindings(settings) },
  { name: 'disk', storage: 'embedded', run: ({ settings }) => diskFindings(settings) },
  {
    name: 'dns',
    storage: 'cassandra',
    run: async ({ lookups }) => (await lookups).map(({ finding }) => finding),
  },
  { name: 'nodes', storage: 'cassandra', run: nodes },
  {
    name: 'cluster',
    storage: 'cassandra',
    run: ({ settings, view }) =>
      view.then(
        () => [],
        (error) => [viewFinding(error, settings)],
      ),
  },
  {
    name: 'schema',
    storage: 'cassandra',
    run: ({ settings, view }) => ifViewed(view, (found) => schemaSummary(found, settings)),
  },
  {
    name: 'sessions',
    storage: 'cassandra',
    run: ({ settings, view }) =>
      ifViewed(view, (found) => (hasSessions(found, settings) ? sessionFindings(settings) : [])),
  },
  {
    name: 'clock',
    storage: 'cassandra',
    run: ({ settings, view }) => ifViewed(view, (found) => clockFindings(found, settings)),
  },
];

export function placeOf(settings: Settings): Place {
  const isCassandra = settings.storage === 'cassandra';
  const hosts = isCassandra ? settings.cassandra.hosts : [];
  const late = `no answer within ${VIEW_MS / 1000} s`;
  const view = isCassandra
    ? inTime(viewCluster(settings), VIEW_MS, late)
    : new Promise<never>(() => undefined);
  view.catch(() => undefined); // several checks wait for it, and each handles it
  return { settings, lookups: Promise.all(hosts.map(lookUp)), view };
}

async function nodes({ settings, lookups, view }: Place): Promise<Finding[]> {
  const addresses = (await lookups).flatMap((each) => each.addresses);
  const known = view.then(
    ({ live }) => live.nodes,
    () => undefined,
  );
  return nodeFindings(settings, addresses, known);
}

function viewFinding(error: unknown, { cassandra }: Settings): Finding {
  const said = error instanceof StorageError ? error.reason : explain(error);
  return fail('cluster', said, connectionFix(said, cassandra.tls !== undefined));
}

/** That it was not, one check tells for all. */
function ifViewed(
  view: Promise<ClusterView>,
  look: (view: ClusterView) => Promise<Finding[]> | Finding[],
): Promise<Finding[]> {
  return view.then(look, () => []);
}
