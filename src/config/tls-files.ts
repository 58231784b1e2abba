import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Settings } from './settings.js';
import { readText, Unreadable } from './text-file.js';
import { showText, type Findings, type Written } from './written.js';

interface PemFile {
  where: string;
  file: string;
}

/** Reads every file that TLS needs, so that a wrong one is found now and not by the first connection. */
export function checkTlsFiles(settings: Settings, written: Map<string, Written>, findings: Findings): void {
  const { tls, cassandra, storage } = settings;
  const pem = (path: string, file?: string) =>
    file ? { where: written.get(path)?.where ?? path, file } : undefined;

  if (tls) checkIdentity(pem('tls.cert', tls.cert), pem('tls.key', tls.key), findings);
  if (!cassandra.tls || storage !== 'cassandra') return;
  const { ca, cert, key } = cassandra.tls;
  checkCertificates(pem('cassandra.tls.ca', ca), findings);
  checkIdentity(pem('cassandra.tls.cert', cert), pem('cassandra.tls.key', key), findings);
}

function checkIdentity(
  certFile: PemFile | undefined,
  keyFile: PemFile | undefined,
  findings: Findings,
): void {
  const cert = checkCertificates(certFile, findings);
  const key = read(keyFile, 'a private key that is not encrypted', createPrivateKey, findings.faults);
  if (!cert || !key) return;
  const why = refusal(cert, key);
  if (!why) return;
  const where = `${certFile?.where}, ${keyFile?.where}`;
  findings.faults.push(`${where}: found files that ${why}; allowed: a certificate and its own key`);
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

function certificatesIn(pem: string): X509Certificate[] {
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
