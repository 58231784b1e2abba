import { lookup } from 'node:dns/promises';
import { type Client, type EmptyCallback, type Host, type HostMap, policies } from 'cassandra-driver';
import type { CassandraSettings } from '../../../config/settings.js';

type Node = Pick<Host, 'address' | 'datacenter'>;

/**
 * Only nodes of one datacenter coordinate: of `local_dc` or, for files of old that don't name it, of the contact
 * points. The driver asks when it has just learnt which nodes there are. Its own option for the same, when it names a
 * datacenter that does not exist, leaves a connection open at each attempt.
 */
export class LocalDatacenterPolicy extends policies.loadBalancing.DCAwareRoundRobinPolicy {
  declare localDc: string;
  /** The driver's; where it once was connected, they are no more. */
  readonly contactPoints: string[];

  constructor(private readonly settings: Pick<CassandraSettings, 'hosts' | 'port' | 'local_dc'>) {
    super(settings.local_dc as string);
    this.contactPoints = [...settings.hosts];
  }

  /**
   * When no node is left, the driver (4.10) would start over from the contact points, beside the nodes that it knew:
   * each time it keeps a connection that nobody uses, and if the new one breaks early, an unhandled rejection ends the
   * process. So they are good for one start; CassandraService then starts over with a new client.
   */
  override init(client: Client, hosts: HostMap, callback: EmptyCallback): void {
    this.contactPoints.length = 0;
    this.choose(hosts.values()).then(
      (datacenter) => {
        this.localDc = datacenter;
        super.init(client, hosts, callback);
      },
      (error: Error) => callback(error),
    );
  }

  private async choose(nodes: readonly Node[]): Promise<string> {
    const { hosts, port, local_dc: configured } = this.settings;
    if (configured) return existing(configured, nodes);
    return datacenterOfContacts(await contactAddresses(hosts, port), nodes);
  }
}

/** Where contact points are in several datacenters, the first in the file decides: all who start from it agree. */
export function datacenterOfContacts(contacts: readonly string[], nodes: readonly Node[]): string {
  const found = contacts.map((address) => nodes.find((node) => node.address === address));
  const node = found.find((each) => each !== undefined) ?? nodes[0];
  return node?.datacenter ?? '';
}

export function existing(configured: string, nodes: readonly Node[]): string {
  const datacenters = datacentersOf(nodes);
  if (datacenters.includes(configured)) return configured;
  throw new Error(
    `cassandra.local_dc is ${configured}, but the datacenters of the cluster are: ${datacenters.join(', ')}`,
  );
}

export function datacentersOf(nodes: readonly Node[]): string[] {
  return [...new Set(nodes.map((node) => node.datacenter))].sort();
}

/** As the driver names nodes: `address:port`. */
async function contactAddresses(hosts: readonly string[], port: number): Promise<string[]> {
  const found = await Promise.all(hosts.map((host) => lookup(host, { all: true }).catch(() => [])));
  return found.flat().map(({ address }) => `${address}:${port}`);
}
