import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { encodedSubject, parseRevocationList, type RevocationList } from './revocation-list.js';
import type { Settings, TlsSettings } from './settings.js';
import { readText, Unreadable } from './text-file.js';
import { showText, type Findings, type Written } from './written.js';

interface PemFile {
  where: string;
  file: string;
}

/** What the files of `tls` hold, in PEM. */
export interface TlsFiles {
  cert: string;
  key: string;
  clientCa?: string;
  clientCrl?: string;
}

/** Reads every file that TLS needs, so that a wrong one is found now and not by the first connection. */
export function checkTlsFiles(settings: Settings, written: Map<string, Written>, findings: Findings): void {
  const { tls, cassandra, storage, log } = settings;
  const pem = pemFiles(written);
  if (tls) readTlsFiles(tls, written, findings);
  checkCertificates(pem('log.syslog.ca', log?.syslog?.ca), findings);
  if (!cassandra.tls || storage !== 'cassandra') return;
  const { ca, cert, key } = cassandra.tls;
  checkCertificates(pem('cassandra.tls.ca', ca), findings);
  readIdentity(pem('cassandra.tls.cert', cert), pem('cassandra.tls.key', key), findings);
}

/** Undefined if one of them cannot be used. */
export function readTlsFiles(
  tls: TlsSettings,
  written: Map<string, Written>,
  findings: Findings,
): TlsFiles | undefined {
  const before = findings.faults.length;
  const pem = pemFiles(written);
  const identity = readIdentity(pem('tls.cert', tls.cert), pem('tls.key', tls.key), findings);
  const clientCa = readClientAuthorities(tls, written, findings);
  const clientCrl = readRevocationLists(pem('tls.client_crl', tls.client_crl), clientCa, findings);
  return identity && findings.faults.length === before ? { ...identity, clientCa, clientCrl } : undefined;
}

/** When the first of what each file holds is over, in ms. */
export function* expiriesOf({ cert, clientCa, clientCrl }: TlsFiles): Iterable<[file: string, time: number]> {
  yield ['cert', expiryOf(cert)];
  if (clientCa) yield ['client_ca', expiryOf(clientCa)];
  if (clientCrl) {
    const lists = revocationListsIn(clientCrl);
    yield ['client_crl', Math.min(...lists.map(({ nextUpdate }) => nextUpdate))];
  }
}

/** Each list on its own: of several in one text Node takes the first. */
export function revocationListBlocks(pem: string): string[] {
  return pem.match(/-----BEGIN X509 CRL-----.*?-----END X509 CRL-----/gs) ?? [];
}

function expiryOf(certificates: string): number {
  return Math.min(...certificatesIn(certificates).map(({ validTo }) => Date.parse(validTo)));
}

function pemFiles(written: Map<string, Written>) {
  return (path: string, file?: string): PemFile | undefined =>
    file ? { where: written.get(path)?.where ?? path, file } : undefined;
}

function readIdentity(
  certFile: PemFile | undefined,
  keyFile: PemFile | undefined,
  findings: Findings,
): Pick<TlsFiles, 'cert' | 'key'> | undefined {
  const cert = checkCertificates(certFile, findings);
  const key = read(keyFile, 'a private key that is not encrypted', createPrivateKey, findings.faults);
  if (!cert || !key) return undefined;
  const why = refusal(cert, key);
  if (!why) return { cert, key };
  const where = `${certFile?.where}, ${keyFile?.where}`;
  findings.faults.push(`${where}: found files that ${why}; allowed: a certificate and its own key`);
  return undefined;
}

function readClientAuthorities(
  { client_ca, client_crl, client_auth = 'none' }: TlsSettings,
  written: Map<string, Written>,
  findings: Findings,
): string | undefined {
  const file = pemFiles(written)('tls.client_ca', client_ca);
  if (file && client_auth === 'none')
    findings.warnings.push(
      `${file.where}: no client is asked for a certificate while tls.client_auth is none`,
    );
  if (file || (client_auth === 'none' && !client_crl)) return checkCertificates(file, findings);
  const needy = client_auth === 'none' ? 'tls.client_crl' : `tls.client_auth: ${client_auth}`;
  findings.faults.push(`tls.client_ca: found nothing; allowed: path of a PEM file, needed by ${needy}`);
  return undefined;
}

/**
 * OpenSSL refuses the certificates of an authority that has no list, once there is a list of any: such a file would lock
 * out every client of it.
 */
function readRevocationLists(
  file: PemFile | undefined,
  authorities: string | undefined,
  { faults, warnings }: Findings,
): string | undefined {
  const pem = read(file, 'lists of revoked certificates', revocationListsIn, faults);
  if (!pem || !authorities) return pem;
  const lists = revocationListsIn(pem);
  for (const { raw, subject } of certificatesIn(authorities)) {
    const list = lists.find(({ issuer }) => issuer.equals(encodedSubject(raw)));
    const name = subject.replaceAll('\n', ', ');
    if (!list) faults.push(`${file?.where}: found no list of ${name}; allowed: one of each in tls.client_ca`);
    else if (list.nextUpdate < Date.now())
      warnings.push(
        `${file?.where}: the list of ${name} expired on ${new Date(list.nextUpdate).toUTCString()}: all its clients are refused`,
      );
  }
  return pem;
}

function revocationListsIn(pem: string): RevocationList[] {
  const blocks = revocationListBlocks(pem);
  createSecureContext({ crl: blocks });
  const lists = blocks.map((block) => Buffer.from(block.replace(/-----.*-----/g, ''), 'base64'));
  if (lists.length === 0) throw new Error('no list of revoked certificates');
  return lists.map(parseRevocationList);
}

function refusal(cert: string, key: string): string | undefined {
  // TLS itself takes an RSA key beside an EC certificate, and then has no certificate to show.
  if (!certificatesIn(cert)[0]?.checkPrivateKey(createPrivateKey(key))) return 'do not belong together';
  try {
    createSecureContext({ cert, key });
    return undefined;
  } catch (error) {
    return `TLS refuses (${(error as NodeJS.ErrnoException).code})`;
  }
}

function checkCertificates(file: PemFile | undefined, { faults, warnings }: Findings): string | undefined {
  const pem = read(file, 'certificates', certificatesIn, faults);
  for (const { subject, validFrom, validTo } of pem ? certificatesIn(pem) : []) {
    const certificate = `${file?.where}: the certificate of ${subject.replaceAll('\n', ', ')}`;
    if (Date.parse(validTo) < Date.now()) warnings.push(`${certificate} expired on ${validTo}`);
    if (Date.parse(validFrom) > Date.now()) warnings.push(`${certificate} is not valid before ${validFrom}`);
  }
  return pem;
}

export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [''];
  return blocks.map((block) => new X509Certificate(block));
}

function read(
  pemFile: PemFile | undefined,
  content: string,
  parse: (pem: string) => unknown,
  faults: string[],
): string | undefined {
  if (!pemFile) return undefined;
  const { where, file } = pemFile;
  const refuse = (why: string) => {
    faults.push(
      `${where}: found ${showText(file)}, which ${why}; allowed: path of a PEM file with ${content}`,
    );
    return undefined;
  };
  const text = readText(file);
  if (text instanceof Unreadable) return refuse(text.why);
  try {
    parse(text);
    return text;
  } catch {
    return refuse('holds something else');
  }
}
