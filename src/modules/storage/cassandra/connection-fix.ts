const CHECK =
  'start Cassandra there, or mend cassandra.hosts and cassandra.port; look for a firewall between';

/** By what a node or the driver says, as docs/cassandra.md lists it. */
const FIXES: readonly (readonly [said: RegExp, fix: string])[] = [
  [/cassandra\.local_dc is/, 'set cassandra.local_dc to one of these'],
  [/No host could be resolved|ENOTFOUND|EAI_AGAIN/, 'mend cassandra.hosts, or the DNS'],
  [
    /the certificate of node .+ is for/,
    'add a name that it is for to cassandra.tls.server_names, if the node is yours',
  ],
  [/certificate has expired/, 'renew the certificate of the node'],
  [
    /self-signed certificate|unable to (verify|get)/,
    'have in cassandra.tls.ca the authority that signed the certificate of the node',
  ],
  [/alert certificate required/, 'set cassandra.tls.cert and cassandra.tls.key'],
  [/TLS: .*alert/, 'have a certificate in cassandra.tls.cert that the node accepts; its log says why not'],
  [/wrong version number/, 'remove cassandra.tls, or turn on TLS at the node: it speaks none'],
  [/username .* password are incorrect|bad credentials/i, 'mend cassandra.authentication, or the role'],
  [/requires authentication|Authentication provider not set/i, 'set cassandra.authentication'],
  [/ECONNRESET|Socket was closed|closed the connection/, 'set cassandra.tls, if the nodes want TLS'],
  [/no (\w+) permission|permission/i, 'grant the role what it needs (docs/cassandra.md)'],
];

export function connectionFix(said: string): string {
  return FIXES.find(([pattern]) => pattern.test(said))?.[1] ?? CHECK;
}
