import type { X509Certificate } from 'node:crypto';
import type { Settings } from '../config/settings.js';
import { certificatesIn } from '../config/tls-files.js';
import { readText, Unreadable } from '../config/text-file.js';
import { fail, type Finding, ok, warn } from '../finding.js';

const DAY_MS = 86_400_000;
const FEW_DAYS = 14;

/** That they can be read, and that keys belong to them, reading the settings has found already. */
export function certificateFindings({ tls, cassandra, storage }: Settings): Finding[] {
  const towardsCassandra = storage === 'cassandra' ? cassandra.tls : undefined;
  return [
    ...chainFindings('tls.cert', tls?.cert),
    ...authorityFindings('tls.client_ca', tls?.client_ca),
    ...authorityFindings('cassandra.tls.ca', towardsCassandra?.ca),
    ...chainFindings('cassandra.tls.cert', towardsCassandra?.cert),
  ];
}

/** @param what a setting, or whose certificate it is */
export function expiryFinding(what: string, found: string, expiresAt: number, now = Date.now()): Finding {
  const days = Math.floor((expiresAt - now) / DAY_MS);
  const date = new Date(expiresAt).toISOString().slice(0, 10);
  if (expiresAt < now) return fail(what, `${found}, expired on ${date}`, 'renew it');
  const until = `${found}, until ${date} (${days} days)`;
  return days < FEW_DAYS ? warn(what, until, 'renew it') : ok(what, until);
}

function chainFindings(setting: string, file: string | undefined): Finding[] {
  const [leaf, ...issuers] = read(file);
  if (!leaf) return [];
  return [
    expiryFinding(setting, namesOf(leaf), Date.parse(leaf.validTo)),
    ...notYet(setting, leaf),
    ...orderFindings(setting, [leaf, ...issuers]),
  ];
}

function authorityFindings(setting: string, file: string | undefined): Finding[] {
  return read(file).map((authority) =>
    expiryFinding(setting, subjectOf(authority), Date.parse(authority.validTo)),
  );
}

function notYet(setting: string, { validFrom }: X509Certificate): Finding[] {
  if (Date.parse(validFrom) <= Date.now()) return [];
  return [
    fail(setting, `not valid before ${validFrom}`, 'use it later, or look at the clock of this machine'),
  ];
}

/** TLS sends them as they stand, and peers need not put them in order (RFC 8446, section 4.4.2). */
function orderFindings(setting: string, chain: readonly X509Certificate[]): Finding[] {
  const stray = chain.slice(1).find((issuer, i) => !isIssuedBy(chain[i] as X509Certificate, issuer));
  if (!stray) return [];
  const found = `${subjectOf(stray)} has not signed the certificate before it`;
  return [
    fail(setting, found, 'have the certificate first in the file, then each one that signed the one before'),
  ];
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function read(file: string | undefined): X509Certificate[] {
  const text = file === undefined ? undefined : readText(file);
  return text === undefined || text instanceof Unreadable ? [] : certificatesIn(text);
}

function namesOf(certificate: X509Certificate): string {
  return certificate.subjectAltName ?? subjectOf(certificate);
}

function subjectOf({ subject }: X509Certificate): string {
  return subject.replaceAll('\n', ', ');
}
