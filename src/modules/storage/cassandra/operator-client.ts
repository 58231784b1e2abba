import { Client, type EmptyCallback, type Host, type HostMap, policies, types } from 'cassandra-driver';
import type { CassandraSettings } from '../../../config/settings.js';
import { connectionOptions } from './cassandra-client-options.js';

/** What a node may take to change the schema, in ms. */
const SCHEMA_MS = 30_000;

/** Does something with a client that reaches every node of every datacenter, and lets go of it. */
export async function withOperatorClient<T>(
  settings: CassandraSettings,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client(operatorOptions(settings));
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.shutdown().catch(() => undefined);
  }
}

function operatorOptions(settings: CassandraSettings) {
  const options = connectionOptions(settings);
  return {
    ...options,
    contactPoints: settings.hosts,
    protocolOptions: { ...options.protocolOptions, maxSchemaAgreementWaitSeconds: SCHEMA_MS / 1000 },
    policies: { loadBalancing: new FirstNodePolicy() },
    queryOptions: { prepare: false, readTimeout: SCHEMA_MS, isIdempotent: true },
  };
}

/**
 * The node whose address comes first, and others only when it is away: commands that run at once ask the same one. Two
 * nodes that create a table at once could each give it an id of its own, as each looks only at itself for IF NOT EXISTS.
 */
class FirstNodePolicy extends policies.loadBalancing.LoadBalancingPolicy {
  private nodes!: HostMap;

  override init(_client: Client, nodes: HostMap, callback: EmptyCallback): void {
    this.nodes = nodes;
    callback(null as unknown as Error);
  }

  override getDistance(): types.distance {
    return types.distance.local;
  }

  override newQueryPlan(
    _keyspace: string,
    _options: unknown,
    callback: (error: Error, plan: Iterator<Host>) => void,
  ): void {
    const nodes = [...this.nodes.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
    callback(null as unknown as Error, nodes.values());
  }
}
