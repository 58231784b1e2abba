import { readFileSync } from 'node:fs';
import { Client, type ClientOptions, policies } from 'cassandra-driver';
import type { Certificates } from '../certificates.js';
import { CQL_PORT } from './loopback.js';

const { AllowListPolicy, RoundRobinPolicy } = policies.loadBalancing;

/** The role that every Cassandra with passwords begins with. */
export const SUPERUSER = { username: 'cassandra', password: 'cassandra' };

export interface Access {
  authentication: boolean;
  certificates?: Certificates;
}

/** Does something with a driver that talks to one node only, and lets go of it. */
export async function withClient<T>(
  address: string,
  access: Access,
  use: (client: Client) => Promise<T>,
  port = CQL_PORT,
): Promise<T> {
  const client = new Client(clientOptions(address, port, access));
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.shutdown();
  }
}

/** Waits longer than a test's own client: on a busy machine a change of the schema takes seconds. */
function clientOptions(address: string, port: number, access: Access): ClientOptions {
  return {
    contactPoints: [`${address}:${port}`],
    policies: { loadBalancing: new AllowListPolicy(new RoundRobinPolicy(), [`${address}:${port}`]) },
    socketOptions: { connectTimeout: 10_000, readTimeout: 30_000 },
    ...(access.authentication && { credentials: SUPERUSER }),
    ...(access.certificates && { sslOptions: tlsOptions(access.certificates) }),
  };
}

/** Names are not compared: a suite may have given its nodes a certificate that does not suit them. */
function tlsOptions(certificates: Certificates): NonNullable<ClientOptions['sslOptions']> {
  return {
    ca: readFileSync(certificates.ca),
    cert: readFileSync(certificates.clientCertificate),
    key: readFileSync(certificates.clientKey),
    rejectUnauthorized: true,
    checkServerIdentity: () => undefined,
  };
}
