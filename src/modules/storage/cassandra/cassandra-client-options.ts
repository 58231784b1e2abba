import { readFileSync } from 'node:fs';
import type { PeerCertificate } from 'node:tls';
import { auth, type ClientOptions, errors, policies, type types } from 'cassandra-driver';
import type { CassandraSettings } from '../../../config/settings.js';
import type { NodeOptions } from './lane/lane-connection.js';
import type { LocalDatacenterPolicy } from './local-datacenter.js';
import { checkNode } from './node-identity.js';

/** How long a node that is away may stay unnoticed when it is back, in ms. The driver's default grows to 10 minutes. */
const RECONNECT_MS = { base: 250, max: 2_000 };
/** An idle connection is tried this often, in ms: the unclean death of a node leaves sockets that say nothing. */
const HEARTBEAT_MS = 5_000;
/** The newest protocol that Cassandra and the driver share; the driver would first try those of another product. */
const PROTOCOL_VERSION = 4;

/** The driver's options for our cluster; `coordinators` tells which nodes may be asked. */
export function clientOptions(
  settings: CassandraSettings,
  coordinators: LocalDatacenterPolicy,
): ClientOptions {
  return {
    contactPoints: coordinators.contactPoints,
    ...connectionOptions(settings),
    pooling: { heartBeatInterval: HEARTBEAT_MS },
    policies: {
      loadBalancing: new policies.loadBalancing.TokenAwarePolicy(coordinators),
      reconnection: new policies.reconnection.ExponentialReconnectionPolicy(
        RECONNECT_MS.base,
        RECONNECT_MS.max,
        false,
      ),
      retry: new RetryWhileAwaited(),
    },
    // Safe to send twice: the driver gives each write one timestamp, which its retries keep, so a repeated write
    // changes nothing and never wins over a later one.
    queryOptions: { prepare: true, isIdempotent: true, fetchSize: 0 },
  };
}

/** Of the connections of the lane, the same as of those of the driver. */
export function laneOptions(
  settings: CassandraSettings,
): Pick<NodeOptions, 'tls' | 'authentication' | 'connectTimeoutMs' | 'heartbeatMs'> {
  return {
    tls: settings.tls && tlsOptions(settings.tls, settings.hosts),
    authentication: authProvider(settings.authentication),
    connectTimeoutMs: settings.connect_timeout_ms,
    heartbeatMs: HEARTBEAT_MS,
  };
}

/** The time for one try is that for the whole request: after it nobody waits for the answer of the next node. */
class RetryWhileAwaited extends policies.retry.RetryPolicy {
  override onRequestError(
    info: policies.retry.OperationInfo,
    consistency: types.consistencies,
    error: Error,
  ): policies.retry.DecisionInfo {
    if (error instanceof errors.OperationTimedOutError) return this.rethrowResult();
    return super.onRequestError(info, consistency, error);
  }
}

export function connectionOptions(settings: CassandraSettings): ClientOptions {
  return {
    protocolOptions: { port: settings.port, maxVersion: PROTOCOL_VERSION },
    ...(settings.authentication && { authProvider: authProvider(settings.authentication) }),
    ...(settings.tls && { sslOptions: tlsOptions(settings.tls, settings.hosts) }),
    socketOptions: { connectTimeout: settings.connect_timeout_ms, readTimeout: settings.connect_timeout_ms },
  };
}

function authProvider(
  authentication: CassandraSettings['authentication'],
): auth.PlainTextAuthProvider | undefined {
  return authentication && new auth.PlainTextAuthProvider(authentication.username, authentication.password);
}

function tlsOptions(tls: NonNullable<CassandraSettings['tls']>, hosts: readonly string[]) {
  const names = [...hosts, ...(tls.server_names ?? [])];
  return {
    ca: readFileSync(tls.ca),
    ...(tls.cert && tls.key && { cert: readFileSync(tls.cert), key: readFileSync(tls.key) }),
    // The driver's default is not to verify.
    rejectUnauthorized: true,
    checkServerIdentity: (address: string, certificate: PeerCertificate) =>
      checkNode(address, names, certificate),
  };
}
