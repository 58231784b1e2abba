import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { Client, type Host, types } from 'cassandra-driver';
import { type CassandraSettings, Settings } from '../../../config/settings.js';
import type { RequestTrace } from '../../../tracing/request-trace.js';
import { Metrics } from '../../metrics/metrics.js';
import { StorageError } from '../storage-error.js';
import { storageTimeoutMs } from '../storage-timeout.js';
import { clientOptions, laneOptions } from './cassandra-client-options.js';
import { explain } from './cassandra-errors.js';
import { type CassandraCounters, exposeCassandra } from './cassandra-metrics.js';
import { type ConditionalExecution, ConditionalPath, type Decision } from './conditional-path.js';
import type { DataPath } from './data-path.js';
import { DriverPath } from './driver-path.js';
import type { Execution, Row } from './lane/execution.js';
import { Lane } from './lane/lane.js';
import { datacentersOf, LocalDatacenterPolicy } from './local-datacenter.js';
import { requireSessionTable } from './session-table.js';
import { StatementTrace } from './statement-trace.js';
import {
  type ConditionalName,
  conditionalStatements,
  sessionStatements,
  type StatementName,
} from './statements.js';

/** Between two attempts at a cluster that is away, in ms. */
const RETRY_MS = 500;
/** Connections that all break at once are mostly back in a moment: for so long after it, in ms, requests wait for them. */
const MOMENT_MS = 1_000;
/** Connections that lived so long, in ms, are opened anew at once; others might break as soon again. */
const GOOD_MS = 2_000;
/** Starting and stopping wait no longer than this for a cluster that does not answer, in ms. */
const PATIENCE_MS = 1_000;

/**
 * Owns the driver's client: connects in the background for as long as it takes, so that the service can start before
 * Cassandra does, and says in the meantime why it can't serve. The driver goes back by itself to a node that was away;
 * when all were, it is replaced.
 */
@Injectable()
export class CassandraService implements OnModuleInit, OnApplicationShutdown {
  private readonly settings: CassandraSettings;
  /** For all that is done for one request, in ms. */
  readonly timeoutMs: number;
  private readonly counters: CassandraCounters;
  private readonly stopped = new AbortController();
  private readonly conditionalPath: ConditionalPath;
  private client: Client | undefined;
  private path: DataPath | undefined;
  private away = notConnected('no attempt has ended yet');
  private attempting: Promise<void> | undefined;
  private connectedAt = 0;
  private lostAt = -Infinity;

  constructor(
    settings: Settings,
    metrics: Metrics,
    private readonly logger: PinoLogger,
  ) {
    this.settings = settings.cassandra;
    this.timeoutMs = storageTimeoutMs(settings);
    const { keyspace, table } = this.settings;
    this.conditionalPath = new ConditionalPath(conditionalStatements(keyspace, table));
    this.counters = exposeCassandra(
      metrics,
      () => this.client,
      () => this.path,
    );
  }

  /** Waits a moment for the first attempt, so that a cluster that is there is served from at once. */
  async onModuleInit(): Promise<void> {
    const firstAttempt = this.attemptOnce();
    void firstAttempt.then(() => this.keepConnected());
    const patience = Math.min(this.settings.connect_timeout_ms, PATIENCE_MS);
    await Promise.race([firstAttempt, sleep(patience, undefined, { ref: false })]);
  }

  /** Resolves with what a read found. Rejects with a StorageError, or with what is our own fault. */
  run(execution: Execution, timeoutMs = this.timeoutMs, request?: RequestTrace): Promise<Row | undefined> {
    return request
      ? this.traced(execution.statement, request, (trace) => this.send({ ...execution, trace }, timeoutMs))
      : this.send(execution, timeoutMs);
  }

  /** Resolves with what the replicas decided. Rejects with a StorageError; of kind `timeout`, nobody knows what. */
  runConditional(
    execution: ConditionalExecution,
    timeoutMs: number,
    request?: RequestTrace,
  ): Promise<Decision> {
    return request
      ? this.traced(execution.statement, request, (trace) => this.decide({ ...execution, trace }, timeoutMs))
      : this.decide(execution, timeoutMs);
  }

  /** Throws what is wrong with the table, if anything is; nothing if it cannot be asked now. */
  async requireTable(): Promise<void> {
    if (!this.client) return;
    try {
      await requireSessionTable(this.client, this.settings);
    } catch (error) {
      if (error instanceof StorageError) throw error;
    }
  }

  /** Nodes of our datacenter that the driver has connections to. */
  connectedHosts(): readonly Host[] {
    return this.client?.getState().getConnectedHosts() ?? [];
  }

  /** Nodes of all datacenters. */
  knownHosts(): readonly Host[] {
    return this.client?.hosts.values() ?? [];
  }

  /** What one node, and no other, says of itself, in a single row. */
  async askNode(host: Host, cql: string, timeoutMs: number): Promise<types.Row> {
    if (!this.client) throw this.away;
    const options = { host, prepare: false, consistency: types.consistencies.one, readTimeout: timeoutMs };
    return (await this.client.execute(cql, [], options)).first();
  }

  /** The driver would wait for every answer that a node still owes it, also to requests that we gave up. */
  async onApplicationShutdown(): Promise<void> {
    this.stopped.abort();
    await Promise.race([
      this.client && endBoth(this.client, this.path),
      sleep(PATIENCE_MS, undefined, { ref: false }),
    ]);
  }

  private async keepConnected(): Promise<void> {
    while (!this.stopped.signal.aborted) {
      await sleep(RETRY_MS, undefined, { signal: this.stopped.signal }).catch(() => undefined);
      if (!this.client && !this.stopped.signal.aborted) await this.attemptOnce();
    }
  }

  private async traced<T>(
    statement: StatementName | ConditionalName,
    request: RequestTrace,
    run: (trace: StatementTrace) => Promise<T>,
  ): Promise<T> {
    const trace = new StatementTrace(request, statement, this.settings);
    try {
      const found = await run(trace);
      trace.ended();
      return found;
    } catch (error) {
      trace.ended(error);
      throw error;
    }
  }

  private send(execution: Execution, timeoutMs: number): Promise<Row | undefined> {
    return this.path ? this.path.run(execution, timeoutMs) : this.sendOnceBack(execution, timeoutMs);
  }

  private async sendOnceBack(execution: Execution, timeoutMs: number): Promise<Row | undefined> {
    const leftMs = await this.untilBack(timeoutMs);
    if (!this.path) throw this.away;
    return this.path.run(execution, leftMs);
  }

  private async decide(execution: ConditionalExecution, timeoutMs: number): Promise<Decision> {
    const leftMs = this.client ? timeoutMs : await this.untilBack(timeoutMs);
    if (!this.client) throw this.away;
    return this.conditionalPath.run(this.client, execution, leftMs);
  }

  /** Waits a moment for an attempt that is under way; resolves with what is left of the time, in ms. */
  private async untilBack(timeoutMs: number): Promise<number> {
    const began = performance.now();
    const waitMs = Math.min(this.lostAt + MOMENT_MS - began, timeoutMs);
    if (waitMs > 0) await Promise.race([this.attempting, sleep(waitMs, undefined, { ref: false })]);
    return timeoutMs - (performance.now() - began);
  }

  /** Whoever wants one while one is under way shares it. */
  private attemptOnce(): Promise<void> {
    return (this.attempting ??= this.attempt().finally(() => (this.attempting = undefined)));
  }

  /** One attempt, with a client of its own: names are resolved anew each time, as nodes may move. */
  private async attempt(): Promise<void> {
    try {
      const { client, path } = await this.connect();
      if (this.stopped.signal.aborted) return await endBoth(client, path);
      this.client = client;
      this.path = path;
      this.connectedAt = performance.now();
      this.watch(client);
    } catch (error) {
      this.away = error instanceof StorageError ? error : notConnected(this.whyNot(error));
      this.logger.debug({ msg: 'connecting to Cassandra failed', reason: this.away.message });
    }
  }

  /** A node that wants TLS hangs up without a word on who speaks in clear. */
  private whyNot(error: unknown): string {
    const said = explain(error);
    const hungUp = /ECONNRESET|Socket was closed/.test(said);
    return hungUp && !this.settings.tls ? `${said} (cassandra.tls is not set: do the nodes want TLS?)` : said;
  }

  private async connect(): Promise<{ client: Client; path: DataPath }> {
    const coordinators = new LocalDatacenterPolicy(this.settings);
    const client = new Client(clientOptions(this.settings, coordinators));
    try {
      await client.connect();
      await requireSessionTable(client, this.settings);
      const path = await this.openPath(client, coordinators);
      this.tellConnected(client, coordinators.localDc);
      return { client, path };
    } catch (error) {
      void giveUp(client);
      throw error;
    }
  }

  private async openPath(client: Client, coordinators: LocalDatacenterPolicy): Promise<DataPath> {
    const { keyspace, table, data_path } = this.settings;
    const { counters } = this;
    const statements = sessionStatements(keyspace, table);
    if (data_path === 'driver') return new DriverPath(client, statements);
    const lane = new Lane(client, coordinators, {
      ...laneOptions(this.settings),
      statements,
      keyspace,
      onHedge: (operation) => counters.hedges.inc({ operation }),
      onNextTry: () => counters.nextTries.inc(),
      onStanding: (node, isAside, why) => this.tellStanding(node, isAside, why),
    });
    await lane.open();
    return lane;
  }

  private tellConnected(client: Client, datacenter: string): void {
    const hosts = client.hosts.values();
    if (!this.settings.local_dc) {
      this.logger.warn({
        msg: `cassandra.local_dc is not set: taking ${datacenter} from the contact points`,
        datacenters: datacentersOf(hosts),
      });
    }
    this.logger.info({ msg: 'connected to Cassandra', datacenter, nodes: hosts.map((host) => host.address) });
  }

  private tellStanding(node: string, isAside: boolean, reason: string): void {
    if (!isAside) return this.logger.info({ msg: 'Cassandra node is asked again', node, reason });
    this.counters.putAside.inc();
    this.logger.warn({ msg: 'Cassandra node is put aside: others are asked before it', node, reason });
  }

  private watch(client: Client): void {
    client.on('hostUp', ({ address }: Host) =>
      this.logger.info({ msg: 'Cassandra node is up', node: address }),
    );
    client.on('hostDown', ({ address }: Host) => {
      this.logger.warn({ msg: 'Cassandra node is down', node: address });
      this.abandonIfLost(client);
    });
    this.abandonIfLost(client);
  }

  /** Once its last node is lost, the driver has nowhere to go back to: see LocalDatacenterPolicy. */
  private abandonIfLost(client: Client): void {
    if (this.client !== client || client.getState().getConnectedHosts().length > 0) return;
    const { path } = this;
    this.client = this.path = undefined;
    this.away = notConnected('no node is up');
    this.lostAt = performance.now();
    void endBoth(client, path);
    const wasGood = this.lostAt - this.connectedAt > GOOD_MS;
    if (wasGood && !this.stopped.signal.aborted) void this.attemptOnce();
  }
}

async function endBoth(client: Client, path: DataPath | undefined): Promise<void> {
  path?.close();
  await client.shutdown();
}

function notConnected(why: string): StorageError {
  return new StorageError('unavailable', 'not connected to Cassandra', { cause: new Error(why) });
}

/**
 * Ends what a failed attempt left behind. The driver's `shutdown` does nothing where it never was connected, although
 * it goes on trying in the background if its connection broke while it was connecting.
 */
async function giveUp(client: Client): Promise<void> {
  const { controlConnection } = client as unknown as {
    controlConnection: { reset(): Promise<void>; shutdown(): void };
  };
  await client.shutdown().catch(() => undefined);
  await controlConnection.reset().catch(() => undefined);
  controlConnection.shutdown(); // last, as a reset takes it back
}
