/** What a node or the driver says when there is no connection, and what to do about it. */
export interface ConnectionFix {
  says: RegExp;
  /** For docs/doctor.md. */
  example: string;
  /** Only where cassandra.tls is set, or is not. */
  isTls?: boolean;
  fix: string;
}

export const CONNECTION_FIXES: readonly ConnectionFix[] = [
  {
    says: /cassandra\.local_dc is/,
    example: 'cassandra.local_dc is …, but the datacenters of the cluster are: …',
    fix: 'set cassandra.local_dc to one of these',
  },
  {
    says: /No host could be resolved|ENOTFOUND|EAI_AGAIN/,
    example: 'No host could be resolved',
    fix: 'mend cassandra.hosts, or the DNS of this machine',
  },
  {
    says: /the certificate of node .+ is for/,
    example: 'the certificate of node … is for …',
    fix: 'add a name that it is for to cassandra.tls.server_names, if the node is yours',
  },
  {
    says: /certificate has expired/,
    example: 'certificate has expired',
    fix: 'renew the certificate of the node',
  },
  {
    says: /self-signed certificate|unable to (verify|get)/,
    example: 'self-signed certificate in certificate chain',
    fix: 'have in cassandra.tls.ca the authority that signed the certificate of the node',
  },
  {
    says: /alert certificate required/,
    example: 'TLS: tlsv13 alert certificate required',
    fix: 'set cassandra.tls.cert and cassandra.tls.key',
  },
  {
    says: /TLS: .*alert/,
    example: 'TLS: … alert …',
    fix: 'have a certificate in cassandra.tls.cert that the node accepts; its log says why not',
  },
  {
    says: /wrong version number/,
    example: 'TLS: wrong version number',
    fix: 'remove cassandra.tls, or turn on TLS at the node: it speaks none',
  },
  {
    says: /password are incorrect/,
    example: 'Provided username … and/or password are incorrect',
    fix: 'mend cassandra.authentication, or the role',
  },
  {
    says: /requires authentication|Authentication provider not set/,
    example: 'Authentication provider not set',
    fix: 'set cassandra.authentication',
  },
  {
    says: /has no .+ permission/,
    example: 'User … has no … permission on …',
    fix: 'grant it to the role',
  },
  {
    says: /ECONNRESET|EPIPE|Socket was closed|closed the connection/,
    example: 'read ECONNRESET',
    isTls: true,
    fix: 'set cassandra.tls.cert and cassandra.tls.key, if the nodes want a certificate; else see their logs',
  },
  {
    says: /ECONNRESET|EPIPE|Socket was closed|closed the connection/,
    example: 'Socket was closed',
    isTls: false,
    fix: 'set cassandra.tls, if the nodes want TLS',
  },
  {
    says: /(?:)/,
    example: 'connect ECONNREFUSED …, no answer within …, and whatever else',
    fix: 'start Cassandra there, or mend cassandra.hosts and cassandra.port; look for a firewall between',
  },
];

export function connectionFix(said: string, isTls: boolean): string {
  const rule = CONNECTION_FIXES.find((each) => each.says.test(said) && (each.isTls ?? isTls) === isTls);
  return (rule as ConnectionFix).fix;
}
