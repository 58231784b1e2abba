import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { errorCode } from './config-file.js';
import type { Settings } from './settings.js';
import { showText, type Findings } from './written.js';

type File = [path: string, file: string | undefined];

/** Reads every file that TLS needs, so that a wrong one is found now and not by the first connection. */
export function checkTlsFiles({ tls, cassandra, storage }: Settings, findings: Findings): void {
  if (tls) checkIdentity(['tls.cert', tls.cert], ['tls.key', tls.key], findings);
  if (!cassandra.tls || storage !== 'cassandra') return;
  checkCertificates(['cassandra.tls.ca', cassandra.tls.ca], findings);
  checkIdentity(
    ['cassandra.tls.cert', cassandra.tls.cert],
    ['cassandra.tls.key', cassandra.tls.key],
    findings,
  );
}

function checkIdentity(cert: File, key: File, findings: Findings): void {
  const certificate = checkCertificates(cert, findings);
  const privateKey = checkKey(key, findings);
  if (!certificate || !privateKey) return;
  if (!certificate.checkPrivateKey(privateKey)) {
    findings.faults.push(`${key[0]}: found the key of another certificate; allowed: the key of ${cert[0]}`);
    return;
  }
  try {
    createSecureContext({
      cert: certificate.toString(),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    });
  } catch (error) {
    findings.faults.push(
      `${cert[0]}: found a certificate that TLS refuses (${errorCode(error)}); allowed: a stronger one`,
    );
  }
}

function checkCertificates(file: File, { faults, warnings }: Findings): X509Certificate | undefined {
  const certificates = parse(file, 'certificates', faults, (pem) =>
    (pem.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? ['']).map(
      (one) => new X509Certificate(one),
    ),
  );
  for (const { subject, validFrom, validTo } of certificates ?? []) {
    const name = subject.replaceAll('\n', ', ');
    if (Date.parse(validTo) < Date.now())
      warnings.push(`${file[0]}: the certificate of ${name} expired on ${validTo}`);
    if (Date.parse(validFrom) > Date.now())
      warnings.push(`${file[0]}: the certificate of ${name} is not valid before ${validFrom}`);
  }
  return certificates?.[0];
}

function checkKey(file: File, { faults }: Findings): KeyObject | undefined {
  return parse(file, 'a private key that is not encrypted', faults, (pem) => createPrivateKey(pem));
}

function parse<T>(
  [path, file]: File,
  wanted: string,
  faults: string[],
  parser: (pem: string) => T,
): T | undefined {
  if (file === undefined) return undefined;
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (error) {
    faults.push(
      `${path}: found ${showText(file)}, which cannot be read (${errorCode(error)}); allowed: path of a PEM file`,
    );
    return undefined;
  }
  try {
    return parser(pem);
  } catch {
    faults.push(
      `${path}: found ${showText(file)}, which is not that; allowed: path of a PEM file of ${wanted}`,
    );
    return undefined;
  }
}
