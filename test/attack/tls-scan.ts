import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { table } from '../../bench/report/table.js';
import { requireTestssl } from '../harness/prerequisites.js';
import type { AttackOptions, Outcome } from './attack.js';
import { Target } from './target.js';

/** As testssl.sh writes it. */
interface Finding {
  id: string;
  severity: string;
  finding: string;
}

const TOLD = ['LOW', 'MEDIUM', 'HIGH', 'CRITICAL', 'WARN', 'FATAL'];
const BAD = ['MEDIUM', 'HIGH', 'CRITICAL', 'FATAL'];
/** A CA of two days without revocation is the test's own, and nobody's in production. */
const OF_THE_TEST_CA = ['cert_expirationStatus', 'cert_notAfter', 'cert_validityPeriod', 'cert_revocation'];
/** All our suites are good, and the client knows which its hardware does best: Mozilla's recommendation leaves it the choice. */
const CHOSEN = ['cipher_order'];

/** What testssl.sh finds at the port of TLS. */
export async function scanTls({ tell }: AttackOptions): Promise<Outcome> {
  requireTestssl();
  const target = await Target.start('tls');
  try {
    const findings = await scan(target);
    tell(`${findings.length} findings`);
    const told = findings.filter(({ severity }) => TOLD.includes(severity));
    const rows = told.map((each) => [each.id, each.severity, excuseFor(each), each.finding]);
    return {
      title: `testssl.sh: ${findings.length} findings, ${told.length} of them not OK`,
      told: [table(['Finding', 'Severity', 'Excuse', 'Text'], rows)],
      wrong: told
        .filter((each) => BAD.includes(each.severity) && excuseFor(each) === '')
        .map(({ id, severity, finding }) => `${severity} ${id}: ${finding}`),
    };
  } finally {
    await target.stop();
  }
}

function excuseFor({ id }: Finding): string {
  if (OF_THE_TEST_CA.some((known) => id.startsWith(known))) return "the test's CA";
  return CHOSEN.includes(id) ? 'by choice' : '';
}

async function scan({ origin, caFile }: Target): Promise<Finding[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'kask-testssl-'));
  const file = path.join(folder, 'findings.json');
  try {
    const quiet = ['--quiet', '--warnings', 'batch', '--color', '0'];
    const trust = caFile ? ['--add-ca', caFile] : [];
    const args = [...quiet, ...trust, '--jsonfile', file, new URL(origin).host];
    // It ends with the number of what it found, or of what went wrong.
    await once(spawn('testssl', args, { stdio: 'ignore' }), 'exit');
    return JSON.parse(readFileSync(file, 'utf8')) as Finding[];
  } finally {
    rmSync(folder, { recursive: true });
  }
}
