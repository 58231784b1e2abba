import { readFileSync } from 'node:fs';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { type ClientOptions, policies } from 'cassandra-driver';
import type { CassandraSettings } from '../../../config/settings.js';

/** How long a node that is away may stay unnoticed when it is back, in ms. The driver's default grows to 10 minutes. */
const RECONNECT_MS = { base: 250, max: 2_000 };
/** An idle connection is tried this often, in ms: the unclean death of a node leaves sockets that say nothing. */
const HEARTBEAT_MS = 5_000;

/** The driver's options for our cluster; `localDataCenter` is the only one whose nodes coordinate. */
export function clientOptions(settings: CassandraSettings, localDataCenter: string): ClientOptions {
  return {
    ...connectionOptions(settings),
    localDataCenter,
    pooling: { heartBeatInterval: HEARTBEAT_MS },
    policies: {
      loadBalancing: new policies.loadBalancing.TokenAwarePolicy(
        new policies.loadBalancing.DCAwareRoundRobinPolicy(localDataCenter),
      ),
      reconnection: new policies.reconnection.ExponentialReconnectionPolicy(
        RECONNECT_MS.base,
        RECONNECT_MS.max,
        false,
      ),
    },
    // Safe to send twice: the driver gives each write one timestamp, which its retries keep, so a repeated write
    // changes nothing and never wins over a later one.
    queryOptions: { prepare: true, isIdempotent: true, fetchSize: 0 },
  };
}

/** For one look at the cluster before the datacenter is known: any node may answer. */
export function discoveryOptions(settings: CassandraSettings): ClientOptions {
  return {
    ...connectionOptions(settings),
    isMetadataSyncEnabled: false,
    policies: { loadBalancing: new policies.loadBalancing.RoundRobinPolicy() },
  };
}

function connectionOptions(settings: CassandraSettings): ClientOptions {
  return {
    contactPoints: settings.hosts,
    protocolOptions: { port: settings.port },
    ...(settings.authentication && { credentials: { ...settings.authentication } }),
    ...(settings.tls && { sslOptions: tlsOptions(settings.tls, settings.hosts) }),
    socketOptions: { connectTimeout: settings.connect_timeout_ms, readTimeout: settings.query_timeout_ms },
  };
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

/**
 * The driver connects to the addresses that nodes announce, while their certificates carry names. A node is who it
 * should be if a certificate of our CA names its address, or one of the hosts of the cluster that we were told of
 * (RFC 9525 section 6: the names that are acceptable come from the client's own configuration).
 */
export function checkNode(
  address: string,
  names: readonly string[],
  certificate: PeerCertificate,
): Error | undefined {
  const failure = checkServerIdentity(address, certificate);
  if (!failure) return undefined;
  if (names.some((name) => checkServerIdentity(literal(name, certificate), certificate) === undefined))
    return undefined;
  return new Error(
    `the certificate of node ${address} is for ${certificate.subjectaltname ?? String(certificate.subject.CN)}: ` +
      'neither its address nor a name in cassandra.hosts or cassandra.tls.server_names',
  );
}

/** A setting `*.example.org` accepts any certificate under that name: compared by a name that it covers. */
function literal(name: string, certificate: PeerCertificate): string {
  if (!name.startsWith('*.')) return name;
  const suffix = name.slice(1);
  const names = (certificate.subjectaltname ?? '').split(', ').map((entry) => entry.replace(/^DNS:/, ''));
  return names.find((each) => each.endsWith(suffix) && !each.slice(0, -suffix.length).includes('.')) ?? name;
}
