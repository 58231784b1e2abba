import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import type { Certificates } from '../certificates.js';
import { CQL_PORT, STORAGE_PORT } from './loopback.js';
import type { NodePlan } from './topology.js';

export interface NodeSettings {
  /** Every node is a seed: they may then boot in any order and at once. */
  seeds: string[];
  authentication: boolean;
  certificates?: Certificates;
  /** Entries of cassandra.yaml that win over ours. */
  yaml: Record<string, unknown>;
}

/** The files that a node is started from. */
export interface NodeFiles {
  directory: string;
  yaml: string;
  rackdc: string;
  logback: string;
  /** The node's own log. */
  log: string;
  /** What the JVM prints: mostly why it did not start. */
  output: string;
}

/** Writes a node's configuration; all that it stores will be below the same directory. */
export function writeNodeFiles(directory: string, node: NodePlan, settings: NodeSettings): NodeFiles {
  const files = {
    directory,
    yaml: path.join(directory, 'cassandra.yaml'),
    rackdc: path.join(directory, 'cassandra-rackdc.properties'),
    logback: path.join(directory, 'logback.xml'),
    log: path.join(directory, 'system.log'),
    output: path.join(directory, 'output.log'),
  };
  mkdirSync(directory, { recursive: true });
  writeFileSync(files.yaml, stringify(cassandraYaml(directory, node, settings)));
  writeFileSync(files.rackdc, `dc=${node.datacenter}\nrack=${node.rack}\n`);
  writeFileSync(files.logback, logbackXml(files.log));
  return files;
}

/** With the data that it has, the node starts there next time. */
export function changeAddress(files: NodeFiles, address: string): void {
  const yaml = parse(readFileSync(files.yaml, 'utf8')) as Record<string, unknown>;
  writeFileSync(files.yaml, stringify({ ...yaml, listen_address: address, rpc_address: address }));
}

function cassandraYaml(directory: string, node: NodePlan, settings: NodeSettings): Record<string, unknown> {
  return {
    cluster_name: 'kask-test',
    ...placeOnRing(node, settings.seeds),
    ...addresses(node),
    ...storage(directory),
    ...smallCaches,
    ...(settings.authentication && passwordAuthentication),
    ...(settings.certificates && clientEncryption(settings.certificates)),
    ...settings.yaml,
  };
}

/** With its token given, a node joins at once: there is nothing to bootstrap from, and no waiting for it. */
function placeOnRing(node: NodePlan, seeds: string[]): Record<string, unknown> {
  return {
    num_tokens: 1,
    initial_token: node.token,
    auto_bootstrap: false,
    partitioner: 'org.apache.cassandra.dht.Murmur3Partitioner',
    endpoint_snitch: 'GossipingPropertyFileSnitch',
    seed_provider: [
      {
        class_name: 'org.apache.cassandra.locator.SimpleSeedProvider',
        parameters: [{ seeds: seeds.join(',') }],
      },
    ],
  };
}

function addresses(node: NodePlan): Record<string, unknown> {
  return {
    listen_address: node.address,
    rpc_address: node.address,
    native_transport_port: CQL_PORT,
    storage_port: STORAGE_PORT,
  };
}

/**
 * A write is answered when it is on disk. Production's periodic log loses a node's last 100 ms at SIGKILL, which
 * other replicas make good and a cluster of one node cannot; batches cost a millisecond a write.
 *
 * commitlog_segment_size stays at its default of 32 MiB although smaller would boot as well: half of it is the
 * largest write that a node accepts, and tests of large values should meet production's limit.
 */
function storage(directory: string): Record<string, unknown> {
  return {
    data_file_directories: [path.join(directory, 'data')],
    commitlog_directory: path.join(directory, 'commitlog'),
    saved_caches_directory: path.join(directory, 'saved_caches'),
    hints_directory: path.join(directory, 'hints'),
    cdc_raw_directory: path.join(directory, 'cdc_raw'),
    commitlog_sync: 'batch',
    commitlog_total_space: '128MiB',
    // Dropping a keyspace would otherwise copy it first.
    auto_snapshot: false,
  };
}

/** A node in a heap of 256 MB, of which a test fills little. */
const smallCaches = {
  key_cache_size: '0MiB',
  counter_cache_size: '0MiB',
  prepared_statements_cache_size: '5MiB',
  file_cache_size: '16MiB',
  networking_cache_size: '16MiB',
  index_summary_capacity: '4MiB',
  memtable_heap_space: '48MiB',
  memtable_offheap_space: '16MiB',
  memtable_flush_writers: 1,
  concurrent_compactors: 1,
  concurrent_reads: 8,
  concurrent_writes: 8,
  concurrent_counter_writes: 2,
};

/**
 * Nodes look roles and grants up anew every 2 s: a test sees a change of them soon. The superuser's are read at
 * QUORUM over all datacenters, any other role's at LOCAL_QUORUM: a service under test should not be superuser.
 */
const passwordAuthentication = {
  authenticator: 'PasswordAuthenticator',
  authorizer: 'CassandraAuthorizer',
  role_manager: 'CassandraRoleManager',
};

/** Clients have to show a certificate of our CA; nodes talk to each other in clear. */
function clientEncryption(certificates: Certificates): Record<string, unknown> {
  return {
    client_encryption_options: {
      enabled: true,
      optional: false,
      require_client_auth: true,
      accepted_protocols: ['TLSv1.2', 'TLSv1.3'],
      ssl_context_factory: { class_name: 'org.apache.cassandra.security.PEMBasedSslContextFactory' },
      keystore: certificates.keystore,
      truststore: certificates.ca,
    },
  };
}

function logbackXml(log: string): string {
  return `<configuration>
  <appender name="file" class="ch.qos.logback.core.FileAppender">
    <file>${log}</file>
    <encoder><pattern>%-5level %date{ISO8601} [%thread] %logger{0}: %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="file"/></root>
</configuration>
`;
}
