import type { X509Certificate } from 'node:crypto';

/** The names that a certificate or a proxy gives to whoever speaks. */
export interface SubjectNames {
  uris: string[];
  dns: string[];
}

/**
 * What he is known by: his URI, as SPIFFE has it, or else any of his DNS names. The common name is never looked at: RFC
 * 9525 section 2 leaves it to people. With two URIs nobody could tell which is meant, and SPIFFE's X509-SVID (section 2)
 * wants such a certificate refused.
 */
export function identitiesOf({ uris, dns }: SubjectNames): string[] {
  if (uris.length > 1) return [];
  return uris.length === 1 ? uris : dns.map((name) => name.toLowerCase());
}

/** Node writes `DNS:a, URI:b`, and what could be mistaken for a separator as a JSON string. */
const ALTERNATIVE = /([^:,]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/gy;

/**
 * From the subject alternative names of a certificate that was verified; `undefined` if they are written in a way that
 * we don't know, where a name could hide in another.
 */
export function namesIn({
  subjectAltName = '',
}: Pick<X509Certificate, 'subjectAltName'>): SubjectNames | undefined {
  const names: SubjectNames = { uris: [], dns: [] };
  let read = 0;
  for (const [whole, type, value = ''] of subjectAltName.matchAll(ALTERNATIVE)) {
    read += whole.length;
    const name = value.startsWith('"') ? (JSON.parse(value) as string) : value;
    if (type === 'URI') names.uris.push(name);
    if (type === 'DNS') names.dns.push(name);
  }
  return read === subjectAltName.length ? names : undefined;
}
