import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { Client, errors, type types } from 'cassandra-driver';
import { type CassandraSettings, Settings } from '../../../config/settings.js';
import { Metrics } from '../../metrics/metrics.js';
import { StorageError } from '../storage-error.js';
import { clientOptions, discoveryOptions } from './cassandra-client-options.js';
import { fromDriverError } from './cassandra-errors.js';
import { createKeyspace, createTable, type Statement } from './statements.js';

/** Between two attempts at a cluster that is away, in ms. */
const RETRY_MS = 1_000;

/**
 * Owns the driver's client: connects in the background for as long as it takes, so that the service can start before
 * Cassandra does, and says in the meantime why it can't serve. Once connected, the driver reconnects by itself.
 */
@Injectable()
export class CassandraService implements OnModuleInit, OnApplicationShutdown {
  private readonly settings: CassandraSettings;
  private readonly stopped = new AbortController();
  private client: Client | undefined;
  private away = new Error('no attempt has ended yet');

  constructor(
    settings: Settings,
    metrics: Metrics,
    private readonly logger: PinoLogger,
  ) {
    this.settings = settings.cassandra;
    this.exposeDriverState(metrics);
  }

  /** Waits for the first attempt, but never longer than a connection may take: then the service listens anyway. */
  async onModuleInit(): Promise<void> {
    const firstAttempt = this.attempt();
    void firstAttempt.then(() => this.keepTrying());
    await Promise.race([
      firstAttempt,
      sleep(this.settings.connect_timeout_ms, undefined, { signal: this.stopped.signal }),
    ]);
  }

  async execute(statement: Statement, parameters: unknown[]): Promise<types.ResultSet> {
    if (!this.client)
      throw new StorageError('unavailable', 'not connected to Cassandra', { cause: this.away });
    try {
      return await this.client.execute(statement.cql, parameters, { consistency: statement.consistency });
    } catch (error) {
      throw fromDriverError(error);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped.abort();
    await this.client?.shutdown();
  }

  private async keepTrying(): Promise<void> {
    while (!this.client && !this.stopped.signal.aborted) {
      await sleep(RETRY_MS, undefined, { signal: this.stopped.signal }).catch(() => undefined);
      await this.attempt();
    }
  }

  /** One attempt, with a client of its own: names are resolved anew each time, as nodes may move. */
  private async attempt(): Promise<void> {
    try {
      const client = await this.connect(this.settings.local_dc ?? (await this.findDatacenter()));
      if (this.stopped.signal.aborted) return await client.shutdown();
      this.client = client;
      this.logger.info({ msg: 'connected to Cassandra', hosts: client.hosts.keys() });
    } catch (error) {
      this.away = whyAway(error);
      this.logger.debug({ msg: 'connecting to Cassandra failed', reason: this.away.message });
    }
  }

  private async connect(datacenter: string): Promise<Client> {
    const client = new Client(clientOptions(this.settings, datacenter));
    try {
      await client.connect();
      await this.requireTable(client, datacenter);
    } catch (error) {
      await client.shutdown();
      throw error;
    }
    client.on('hostDown', (host: { address: string }) =>
      this.logger.warn({ msg: 'Cassandra node is down', node: host.address }),
    );
    client.on('hostUp', (host: { address: string }) =>
      this.logger.info({ msg: 'Cassandra node is up', node: host.address }),
    );
    return client;
  }

  /** The datacenter of the contact points, for files of old that don't name it. */
  private async findDatacenter(): Promise<string> {
    const client = new Client(discoveryOptions(this.settings));
    try {
      await client.connect();
      const addresses = await this.contactAddresses();
      const hosts = client.hosts.values();
      const contacts = hosts.filter((host) => addresses.has(host.address));
      const datacenters = [
        ...new Set((contacts.length > 0 ? contacts : hosts).map((host) => host.datacenter)),
      ];
      const datacenter = datacenters[0] as string;
      this.logger.warn({
        msg: `cassandra.local_dc is not set: taking ${datacenter} from the contact points`,
        datacenters,
      });
      return datacenter;
    } finally {
      await client.shutdown();
    }
  }

  private async contactAddresses(): Promise<Set<string>> {
    const found = await Promise.all(
      this.settings.hosts.map((host) => lookup(host, { all: true }).catch(() => [])),
    );
    return new Set(found.flat().map(({ address }) => `${address}:${this.settings.port}`));
  }

  private async requireTable(client: Client, datacenter: string): Promise<void> {
    const { keyspace, table } = this.settings;
    const columns = await client.execute(
      'SELECT column_name, type, kind FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?',
      [keyspace, table],
    );
    const found = columns.rows.map(
      (row) => `${row.get('column_name')} ${row.get('type')} ${row.get('kind')}`,
    );
    if (found.includes('key text partition_key') && found.includes('value blob regular')) return;
    if (found.length > 0) {
      throw new Error(
        `table "${keyspace}"."${table}" is not a table of sessions: ${createTable(keyspace, table)}`,
      );
    }
    const keyspaces = await client.execute(
      'SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?',
      [keyspace],
    );
    throw keyspaces.rowLength === 0
      ? new Error(
          `keyspace "${keyspace}" is missing: ${createKeyspace(keyspace, datacenter)} ${createTable(keyspace, table)}`,
        )
      : new Error(`table "${keyspace}"."${table}" is missing: ${createTable(keyspace, table)}`);
  }

  private exposeDriverState(metrics: Metrics): void {
    const state = () => this.client?.getState();
    const connections = () => state()?.getConnectedHosts() ?? [];
    metrics.gauge(
      'kask_cassandra_hosts',
      'Cassandra nodes that the driver knows',
      () => this.client?.hosts.length ?? 0,
    );
    metrics.gauge(
      'kask_cassandra_hosts_up',
      'Cassandra nodes that the driver believes up',
      () => (this.client?.hosts.values() ?? []).filter((host) => host.isUp()).length,
    );
    metrics.gauge('kask_cassandra_connections', 'Open connections to Cassandra', () =>
      connections().reduce((sum, host) => sum + (state()?.getOpenConnections(host) ?? 0), 0),
    );
    metrics.gauge('kask_cassandra_requests_in_flight', 'Requests that wait for an answer of Cassandra', () =>
      connections().reduce((sum, host) => sum + (state()?.getInFlightQueries(host) ?? 0), 0),
    );
  }
}

/** What an operator has to know: of each node what it said. */
function whyAway(error: unknown): Error {
  if (!(error instanceof errors.NoHostAvailableError)) return error as Error;
  const said = Object.entries((error.innerErrors ?? {}) as Record<string, Error>);
  return said.length === 0
    ? error
    : new Error(said.map(([node, { message }]) => `${node}: ${message}`).join('; '));
}
