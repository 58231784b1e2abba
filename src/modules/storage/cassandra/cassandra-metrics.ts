import type { Client, Host } from 'cassandra-driver';
import type { Counter } from 'prom-client';
import type { Metrics } from '../../metrics/metrics.js';
import type { DataPath } from './data-path.js';
import { STATEMENT_NAMES } from './statements.js';

/** What happens to requests on their way, which outlives the way itself. */
export interface CassandraCounters {
  hedges: Counter<'operation'>;
  nextTries: Counter;
  putAside: Counter;
}

/** The client and the way to the nodes are those of the moment, if there are any. */
export function exposeCassandra(
  metrics: Metrics,
  client: () => Client | undefined,
  path: () => DataPath | undefined,
): CassandraCounters {
  exposeNodes(metrics, client, path);
  exposeConnections(metrics, client, path);
  const hedges = metrics.counter(
    'kask_cassandra_hedges_total',
    'Requests that were sent to a second node because the first was silent',
    ['operation'],
  );
  for (const operation of STATEMENT_NAMES) hedges.inc({ operation }, 0);
  return {
    hedges,
    nextTries: metrics.counter(
      'kask_cassandra_next_tries_total',
      'Requests that were sent to another node because one refused or was lost',
    ),
    putAside: metrics.counter(
      'kask_cassandra_put_aside_total',
      'Times that a node was put aside for what others did better',
    ),
  };
}

function exposeNodes(
  metrics: Metrics,
  client: () => Client | undefined,
  path: () => DataPath | undefined,
): void {
  metrics.gauge(
    'kask_cassandra_hosts',
    'Cassandra nodes that the driver knows',
    () => client()?.hosts.length ?? 0,
  );
  metrics.gauge(
    'kask_cassandra_hosts_up',
    'Cassandra nodes that the driver believes up',
    () => (client()?.hosts.values() ?? []).filter((host) => host.isUp()).length,
  );
  metrics.gauge(
    'kask_cassandra_nodes_put_aside',
    'Cassandra nodes that are asked only where all others were',
    () => path()?.nodesPutAside ?? 0,
  );
}

function exposeConnections(
  metrics: Metrics,
  client: () => Client | undefined,
  path: () => DataPath | undefined,
): void {
  const sum = (of: (state: ReturnType<Client['getState']>, host: Host) => number): number => {
    const state = client()?.getState();
    return (state?.getConnectedHosts() ?? []).reduce((all, host) => all + of(state!, host), 0);
  };
  metrics.gauge(
    'kask_cassandra_connections',
    'Open connections to Cassandra',
    () => sum((state, host) => state.getOpenConnections(host)) + (path()?.connections ?? 0),
  );
  metrics.gauge(
    'kask_cassandra_requests_in_flight',
    'Requests that wait for an answer of Cassandra',
    () => sum((state, host) => state.getInFlightQueries(host)) + (path()?.requestsInFlight ?? 0),
  );
}
