import { statSync } from 'node:fs';
import { readSealingKeys } from '../modules/storage/sealed/sealing-key-file.js';
import { readLogKey } from '../modules/sessions/log-key.js';
import type { Settings } from './settings.js';
import { showText, type Findings, type Written } from './written.js';

/** Permission of others than owner and group to read, as of chmod(2). */
const WORLD_READABLE = 0o004;

/** Reads every file of secrets, so that a wrong one is found now and not by the first request. */
export function checkKeyFiles(
  { encryption, log_key_file }: Settings,
  written: Map<string, Written>,
  findings: Findings,
): void {
  if (encryption?.key_file)
    checkKeyFile('encryption.key_file', encryption.key_file, readSealingKeys(encryption.key_file).faults);
  if (log_key_file) checkKeyFile('log_key_file', log_key_file, readLogKey(log_key_file).faults);
  if (encryption) checkMoments(encryption);

  function checkKeyFile(path: string, file: string, faults: string[]): void {
    const where = written.get(path)?.where ?? path;
    const found = `${where}: found ${showText(file)}, where`;
    findings.faults.push(...faults.map((fault) => `${found} ${fault}`));
    if (faults.length === 0 && statSync(file).mode & WORLD_READABLE)
      findings.warnings.push(`${where}: every user of this machine may read ${showText(file)}`);
  }

  function checkMoments({ seal_from, read_unencrypted_until }: NonNullable<Settings['encryption']>): void {
    if (!seal_from || Date.parse(seal_from) <= Date.parse(read_unencrypted_until ?? '1970-01-01')) return;
    const where = written.get('encryption.seal_from')?.where ?? 'encryption.seal_from';
    findings.faults.push(
      `${where}: found ${showText(seal_from)}; allowed: nothing later than \`encryption.read_unencrypted_until\`, as what is written until then would be read by nobody`,
    );
  }
}
