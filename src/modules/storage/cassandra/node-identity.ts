import { checkServerIdentity, type PeerCertificate } from 'node:tls';

type Certificate = Pick<PeerCertificate, 'subjectaltname'>;

/**
 * The driver connects to the addresses that nodes announce, while their certificates carry names. A node is who it
 * should be if a certificate of our CA names its address, or one of the hosts of the cluster that we were told of
 * (RFC 9525 section 6: the names that are acceptable come from the client's own configuration).
 */
export function checkNode(
  address: string,
  names: readonly string[],
  certificate: Certificate,
): Error | undefined {
  const accepted = [address, ...names].some((name) => isNamed(literal(name, certificate), certificate));
  if (accepted) return undefined;
  return new Error(
    `the certificate of node ${address} is for ${certificate.subjectaltname ?? 'no name'}: ` +
      'neither its address nor a name in cassandra.hosts or cassandra.tls.server_names',
  );
}

/** By subject alternative names alone: a common name is no identity (RFC 9525 section 6.3), but Node would take it. */
function isNamed(name: string, { subjectaltname }: Certificate): boolean {
  return checkServerIdentity(name, { subjectaltname, subject: {} } as PeerCertificate) === undefined;
}

/** A setting `*.example.org` accepts any certificate under that name: compared by a name that it covers. */
function literal(name: string, { subjectaltname = '' }: Certificate): string {
  if (!name.startsWith('*.')) return name;
  const suffix = name.slice(1).toLowerCase();
  const names = subjectaltname.split(', ').map((entry) => entry.replace(/^DNS:/, '').toLowerCase());
  return names.find((each) => each.endsWith(suffix) && !each.slice(0, -suffix.length).includes('.')) ?? name;
}
