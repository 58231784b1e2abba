import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
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

/** What a client's certificate says beside its name. */
export interface ClientIdentity {
  /** DNS names; the common name unless given. */
  names?: string[];
  uris?: string[];
  usage?: 'clientAuth' | 'serverAuth';
  /** Negative for one that has expired; parts of a day are possible. */
  days?: number;
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
const DAYS = 2;

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
  private readonly revoked: string[] = [];

  private constructor(private readonly directory: string) {
    this.certificate = path.join(directory, 'ca.pem');
    this.key = path.join(directory, 'ca.key');
  }

  static create(directory: string, commonName: string): CertificateAuthority {
    requireOpenssl();
    mkdirSync(directory, { recursive: true });
    const authority = new CertificateAuthority(directory);
    const files = ['-keyout', authority.key, '-out', authority.certificate];
    openssl('req', '-x509', ...EC_KEY, '-days', String(DAYS), '-subj', `/CN=${commonName}`, ...files);
    return authority;
  }

  issueServer(file: string, { names = [], addresses = [] }: ServerIdentity): KeyPair {
    const subjects = [...names.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)];
    const commonName = names[0] ?? addresses[0] ?? 'server';
    return this.issue(file, commonName, subjects, 'serverAuth');
  }

  issueClient(
    file: string,
    commonName = file,
    { names = [commonName], uris = [], usage = 'clientAuth', days }: ClientIdentity = {},
  ): KeyPair {
    const subjects = [...names.map((name) => `DNS:${name}`), ...uris.map((uri) => `URI:${uri}`)];
    return this.issue(file, commonName, subjects, usage, days);
  }

  /** The path of a new list with every certificate that was revoked so far. */
  revocationList(file: string, days = DAYS): string {
    const list = path.join(this.directory, `${file}.crl`);
    writeFileSync(this.index, this.revoked.map((line) => `${line}\n`).join(''));
    const times = validity('crl', days);
    openssl('ca', '-config', this.settings(), '-gencrl', ...this.signer(), ...times, '-out', list);
    return list;
  }

  revoke({ certificate }: KeyPair): void {
    const { serialNumber } = new X509Certificate(readFileSync(certificate));
    this.revoked.push(`R\t${timestamp(DAYS)}\t${timestamp(-1)}\t${serialNumber}\tunknown\t/CN=revoked`);
  }

  private get index(): string {
    return path.join(this.directory, 'index.txt');
  }

  private signer(): string[] {
    return ['-cert', this.certificate, '-keyfile', this.key];
  }

  private settings(): string {
    const file = path.join(this.directory, 'ca.cnf');
    const values = {
      database: this.index,
      new_certs_dir: this.directory,
      default_md: 'sha256',
      policy: 'names',
    };
    const more = { rand_serial: 'yes', unique_subject: 'no' };
    const lines = Object.entries({ ...values, ...more }).map(([name, value]) => `${name}=${value}`);
    writeFileSync(
      file,
      ['[ca]', 'default_ca=this', '[this]', ...lines, '[names]', 'commonName=supplied', ''].join('\n'),
    );
    if (!existsSync(this.index)) writeFileSync(this.index, '');
    return file;
  }

  private issue(file: string, commonName: string, subjects: string[], usage: string, days = DAYS): KeyPair {
    const at = (extension: string) => path.join(this.directory, `${file}.${extension}`);
    const pair = { certificate: at('pem'), key: at('key') };
    const names = subjects.length > 0 ? `subjectAltName=${subjects.join(',')}\n` : '';
    writeFileSync(at('extensions'), `${names}extendedKeyUsage=${usage}\n`);
    openssl('req', ...EC_KEY, '-subj', `/CN=${commonName}`, '-keyout', pair.key, '-out', at('request'));
    const files = ['-in', at('request'), '-extfile', at('extensions'), '-out', pair.certificate];
    openssl(
      'ca',
      '-config',
      this.settings(),
      '-batch',
      '-notext',
      ...this.signer(),
      ...validity('', days),
      ...files,
    );
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

/** From the day before now, or before its end, to some days from now. */
function validity(kind: '' | 'crl', days: number): string[] {
  const [start, end] = kind === 'crl' ? ['-crl_lastupdate', '-crl_nextupdate'] : ['-startdate', '-enddate'];
  return [start, timestamp(Math.min(days, 0) - 1), end, timestamp(days)];
}

/** Some days from now, as OpenSSL's own files have it. */
function timestamp(days: number): string {
  const time = new Date(Date.now() + days * 86_400_000).toISOString();
  return time.slice(2).replace(/[-:T]|\.\d+/g, '');
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
