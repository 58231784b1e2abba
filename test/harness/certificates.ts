import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { requireOpenssl } from './prerequisites.js';

/** The PEM files of a certificate and its private key. */
export interface KeyPair {
  certificate: string;
  key: string;
}

/** What a server answers to. Without addresses, a client that connects to one has to know the name as well. */
export interface ServerIdentity {
  names?: string[];
  addresses?: string[];
}

/** Paths of PEM files, all below one directory: what a server, its clients, and a stranger have. */
export interface Certificates {
  directory: string;
  ca: string;
  serverCertificate: string;
  serverKey: string;
  /** Key, certificate and CA in one file, as Cassandra's PEMBasedSslContextFactory reads it. */
  keystore: string;
  clientCertificate: string;
  clientKey: string;
  /** A CA that nobody here trusts, and a client certificate of it. */
  strangerCa: string;
  strangerCertificate: string;
  strangerKey: string;
}

const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];
const DAYS = ['-days', '2'];

/**
 * Makes a set of certificates for a suite, in a fresh directory unless one is named; who made it removes it. A
 * server that is to be reached by name only leaves out `addresses`.
 */
export function createCertificates(server: ServerIdentity = {}, directory?: string): Certificates {
  const folder = directory ?? mkdtempSync(path.join(tmpdir(), 'kask-certificates-'));
  const authority = CertificateAuthority.create(path.join(folder, 'ca'), 'Kask test CA');
  const stranger = CertificateAuthority.create(path.join(folder, 'stranger'), 'Unrelated CA');
  const serverPair = authority.issueServer('server', server);
  const clientPair = authority.issueClient('client');
  const strangerPair = stranger.issueClient('client');
  return {
    directory: folder,
    ca: authority.certificate,
    serverCertificate: serverPair.certificate,
    serverKey: serverPair.key,
    keystore: writeKeystore(serverPair, authority),
    clientCertificate: clientPair.certificate,
    clientKey: clientPair.key,
    strangerCa: stranger.certificate,
    strangerCertificate: strangerPair.certificate,
    strangerKey: strangerPair.key,
  };
}

/** A CA with which a suite issues further certificates, to see the service tell them apart. */
export class CertificateAuthority {
  readonly certificate: string;
  private readonly key: string;

  private constructor(private readonly directory: string) {
    this.certificate = path.join(directory, 'ca.pem');
    this.key = path.join(directory, 'ca.key');
  }

  static create(directory: string, commonName: string): CertificateAuthority {
    requireOpenssl();
    mkdirSync(directory, { recursive: true });
    const authority = new CertificateAuthority(directory);
    const files = ['-keyout', authority.key, '-out', authority.certificate];
    openssl('req', '-x509', ...EC_KEY, ...DAYS, '-subj', `/CN=${commonName}`, ...files);
    return authority;
  }

  issueServer(file: string, { names = [], addresses = [] }: ServerIdentity): KeyPair {
    const subjects = [...names.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)];
    const commonName = names[0] ?? addresses[0] ?? 'server';
    return this.issue(file, commonName, subjects, 'serverAuth');
  }

  issueClient(file: string, commonName = file): KeyPair {
    return this.issue(file, commonName, [`DNS:${commonName}`], 'clientAuth');
  }

  private issue(file: string, commonName: string, subjects: string[], usage: string): KeyPair {
    const at = (extension: string) => path.join(this.directory, `${file}.${extension}`);
    const pair = { certificate: at('pem'), key: at('key') };
    const names = subjects.length > 0 ? `subjectAltName=${subjects.join(',')}\n` : '';
    writeFileSync(at('extensions'), `${names}extendedKeyUsage=${usage}\n`);
    openssl('req', ...EC_KEY, '-subj', `/CN=${commonName}`, '-keyout', pair.key, '-out', at('request'));
    const signer = ['-CA', this.certificate, '-CAkey', this.key, '-CAcreateserial'];
    const output = ['-extfile', at('extensions'), '-out', pair.certificate];
    openssl('x509', '-req', '-in', at('request'), ...signer, ...DAYS, ...output);
    return pair;
  }
}

/** The key has to be PKCS#8, "BEGIN PRIVATE KEY", which is what `openssl req` writes. */
function writeKeystore(server: KeyPair, authority: CertificateAuthority): string {
  const keystore = path.join(path.dirname(server.key), 'keystore.pem');
  const parts = [server.key, server.certificate, authority.certificate];
  writeFileSync(keystore, parts.map((file) => readFileSync(file, 'utf8')).join(''));
  return keystore;
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
