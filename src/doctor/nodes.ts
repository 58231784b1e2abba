import type { Settings } from '../config/settings.js';
import { fail, type Finding, ok, warn } from '../finding.js';
import { explain } from '../modules/storage/cassandra/cassandra-errors.js';
import { connectionFix } from '../modules/storage/cassandra/connection-fix.js';
import { type NodeVisit, visitNode } from '../modules/storage/cassandra/node-visit.js';
import type { LiveNode } from '../modules/storage/cassandra/schema/live-schema.js';
import { expiryFinding } from './certificates.js';

const MOST_MS = 5_000;
/** More that are well have one line for each datacenter, so that a screen holds them. */
const MANY = 12;

/** How a visit went. */
type Outcome = NodeVisit | { error: unknown };

/**
 * Connects to each node as the service would: to what DNS has for the hosts of the configuration, and to all that the
 * cluster knows of, if it could be asked.
 */
export async function nodeFindings(
  settings: Settings,
  addresses: readonly string[],
  asked: Promise<readonly LiveNode[] | undefined>,
): Promise<Finding[]> {
  const visits = new Map(addresses.map((address) => [address, visit(settings, address)]));
  const known = await asked;
  const nodes = new Map(known?.map((node) => [addressOf(node, settings), node]));
  for (const address of nodes.keys()) if (!visits.has(address)) visits.set(address, visit(settings, address));
  const found = await Promise.all(
    [...visits].map(async ([address, outcome]) => {
      const node = nodes.get(address);
      const isUnknown = known !== undefined && !node;
      return { node, findings: findingsOf(address, node, isUnknown, await outcome, settings) };
    }),
  );
  const well = found.filter(({ findings }) => findings.every(({ verdict }) => verdict === 'ok'));
  if (well.length <= MANY) return found.flatMap(({ findings }) => findings);
  const ill = found.filter((each) => !well.includes(each)).flatMap(({ findings }) => findings);
  return [...ill, ...countedByDatacenter(well.map(({ node }) => node?.datacenter ?? 'no datacenter'))];
}

function addressOf({ address }: LiveNode, { cassandra }: Settings): string {
  return address.slice(0, -`:${cassandra.port}`.length);
}

function visit({ cassandra }: Settings, address: string): Promise<Outcome> {
  const timeoutMs = Math.min(cassandra.connect_timeout_ms, MOST_MS);
  return visitNode(cassandra, address, timeoutMs).catch((error: unknown) => ({ error }));
}

function findingsOf(
  address: string,
  node: LiveNode | undefined,
  isUnknown: boolean,
  outcome: Outcome,
  { cassandra }: Settings,
): Finding[] {
  const what = `node ${address}`;
  const is = node
    ? `${node.datacenter}, ${node.release}, `
    : isUnknown
      ? 'none that the cluster tells of, '
      : '';
  if ('error' in outcome) {
    const said = explain(outcome.error);
    const fix = connectionFix(said, cassandra.tls !== undefined);
    // The service asks no node of another datacenter, and a name may have an address at which no node is.
    const isElsewhere =
      node !== undefined && cassandra.local_dc !== undefined && node.datacenter !== cassandra.local_dc;
    return [(isUnknown || isElsewhere ? warn : fail)(what, is + said, fix)];
  }
  const { tcpMs, tlsMs, names, expiresAt, protocol } = outcome;
  const tls = tlsMs === undefined ? '' : `TLS in ${tlsMs.toFixed(1)} ms, `;
  const found = `${is}TCP in ${tcpMs.toFixed(1)} ms, ${tls}protocol ${protocol}`;
  const isDown = node && !node.isUp;
  return [
    isDown ? warn(what, `${found}, but others take it for down`, 'see nodetool status') : ok(what, found),
    ...(expiresAt === undefined ? [] : soonOver(address, names ?? 'no name', expiresAt)),
  ];
}

function soonOver(address: string, names: string, expiresAt: number): Finding[] {
  const finding = expiryFinding(`certificate of ${address}`, names, expiresAt);
  return finding.verdict === 'ok' ? [] : [finding];
}

function countedByDatacenter(datacenters: readonly string[]): Finding[] {
  return [...new Set(datacenters)].map((name) => {
    const count = datacenters.filter((each) => each === name).length;
    return ok(`nodes of ${name}`, `${count} are well`);
  });
}
