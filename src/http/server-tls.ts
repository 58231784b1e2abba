import { constants } from 'node:crypto';
import type { Server } from 'node:http';
import type { SecureContextOptions, Server as TlsServer, TlsOptions } from 'node:tls';
import type { Logger } from 'pino';
import type { Counter } from 'prom-client';
import type { TlsSettings } from '../config/settings.js';
import { expiriesOf, readTlsFiles, revocationListBlocks, type TlsFiles } from '../config/tls-files.js';
import type { Findings } from '../config/written.js';
import { FileWatch } from '../files/file-watch.js';
import type { Metrics } from '../modules/metrics/metrics.js';
import type { HttpConnections } from './http-connections.js';

/**
 * Mozilla's "intermediate" (https://wiki.mozilla.org/Security/Server_Side_TLS), without DHE: every suite has forward secrecy
 * and authenticates what it encrypts, so the client, who knows what its hardware is good at, may choose.
 */
const SUITES = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];
const CURVES = ['X25519', 'prime256v1', 'secp384r1'];

/** Without one, OpenSSL refuses to resume what a client certificate was verified for. */
const SESSION_ID_CONTEXT = 'kask';

/** TLS of the server: how it speaks, whom it asks for a certificate, and its files, which may change while it runs. */
export class ServerTls {
  private files: TlsFiles;

  constructor(private readonly settings: TlsSettings) {
    const findings: Findings = { faults: [], warnings: [] };
    const files = this.read(findings);
    if (!files)
      throw new Error(`the files of TLS have changed, and cannot be used: ${findings.faults.join('; ')}`);
    this.files = files;
  }

  get options(): TlsOptions {
    const { client_auth = 'none' } = this.settings;
    return {
      ...this.contextOptions(),
      requestCert: client_auth !== 'none',
      rejectUnauthorized: client_auth === 'required',
    };
  }

  /**
   * New connections get what the files hold once they have changed; open ones go on, unless it was changed whom to trust.
   * A ticket does not outlive the files it was given under: each context makes its own keys for them.
   */
  follow(server: Server, connections: HttpConnections, metrics: Metrics, logger: Logger): void {
    const reloads = metrics.counter(
      'kask_tls_reloads_total',
      'Times that changed files of TLS were taken up, or could not be',
      ['result'],
    );
    for (const result of ['ok', 'failed']) reloads.inc({ result }, 0);
    metrics.gauges(
      'kask_tls_expiry_timestamp_seconds',
      'Unix time when the first certificate or revocation list of a file expires',
      'file',
      () => [...expiriesOf(this.files)].map(([file, time]) => [file, time / 1000]),
    );
    const { cert, key, client_ca, client_crl } = this.settings;
    const paths = [cert, key, client_ca, client_crl].filter((path) => path !== undefined);
    const takeUp = (): void => this.takeUp(server as unknown as TlsServer, connections, reloads, logger);
    new FileWatch(paths, takeUp);
    // They may have changed since they were read, before anybody watched.
    takeUp();
  }

  private takeUp(
    server: TlsServer,
    connections: HttpConnections,
    reloads: Counter<'result'>,
    logger: Logger,
  ): void {
    const findings: Findings = { faults: [], warnings: [] };
    const files = this.read(findings);
    if (!files) {
      reloads.inc({ result: 'failed' });
      logger.error(
        { reasons: findings.faults },
        'changed files of TLS cannot be used: what they held before stays',
      );
      return;
    }
    const before = this.files;
    if (Object.entries(before).every(([name, pem]) => files[name as keyof TlsFiles] === pem)) return;
    this.files = files;
    server.setSecureContext(this.contextOptions());
    reloads.inc({ result: 'ok' });
    for (const warning of findings.warnings) logger.warn(warning);
    logger.info('changed files of TLS were taken up');
    if (files.clientCa !== before.clientCa || files.clientCrl !== before.clientCrl) connections.endVerified();
  }

  private read(findings: Findings): TlsFiles | undefined {
    return readTlsFiles(this.settings, new Map(), findings);
  }

  private contextOptions(): SecureContextOptions {
    const { cert, key, clientCa, clientCrl } = this.files;
    return {
      cert,
      key,
      ca: clientCa,
      crl: clientCrl && revocationListBlocks(clientCrl),
      minVersion: this.settings.min_version === '1.3' ? 'TLSv1.3' : 'TLSv1.2',
      ciphers: SUITES.join(':'),
      ecdhCurve: CURVES.join(':'),
      honorCipherOrder: false,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      sessionIdContext: SESSION_ID_CONTEXT,
    };
  }
}
