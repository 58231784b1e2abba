import { InvalidSettings } from '../config/load-settings.js';
import type { Settings } from '../config/settings.js';
import type { SettingsSource } from '../config/settings-source.js';
import { CHECKS, placeOf } from '../doctor/checks.js';
import { nodeVersionFinding } from '../doctor/this-process.js';
import { EX_CONFIG, EX_OK, FAULTS } from '../exit-codes.js';
import { fail, type Finding, ok, warn } from '../finding.js';
import { explain } from '../modules/storage/cassandra/cassandra-errors.js';
import { Terminal } from '../terminal.js';

/** All of them take no longer together, in ms: they go on side by side. */
const PATIENCE_MS = 25_000;

/** Looks at everything that a service with these settings needs. */
export async function run(source: SettingsSource): Promise<number> {
  const terminal = new Terminal();
  const { settings, findings } = load(source);
  findings.unshift(nodeVersionFinding());
  const checks = settings ? begin(settings) : [];
  const pending = new Set(checks.map(({ name }) => name));
  const all = [...findings];
  for (const finding of findings) terminal.tell(finding);
  for (const { name, done } of checks) {
    terminal.progress(`looking at ${[...pending].join(', ')} …`);
    for (const finding of await done) {
      terminal.tell(finding);
      all.push(finding);
    }
    pending.delete(name);
  }
  const count = (verdict: string): number => all.filter((finding) => finding.verdict === verdict).length;
  terminal.line(`${count('fail')} failed, ${count('warn')} could be better, ${count('ok')} are well`);
  if (!settings) return EX_CONFIG;
  return count('fail') > 0 ? FAULTS : EX_OK;
}

interface BegunCheck {
  name: string;
  done: Promise<Finding[]>;
}

/** All at once, each with an end. */
function begin(settings: Settings): BegunCheck[] {
  const place = placeOf(settings);
  const mine = CHECKS.filter(({ storage }) => storage === undefined || storage === settings.storage);
  return mine.map((check) => ({ name: check.name, done: inTime(check.name, async () => check.run(place)) }));
}

function load(source: SettingsSource): { settings?: Settings; findings: Finding[] } {
  try {
    const { settings, warnings } = source.load();
    return { settings, findings: [ok('configuration', source.file), ...warnings.map(asWarning)] };
  } catch (error) {
    if (!(error instanceof InvalidSettings)) throw error;
    return { findings: [...error.faults.map(asFault), ...error.warnings.map(asWarning)] };
  }
}

/** Each is `where: found something; allowed: something`. */
function asFault(fault: string): Finding {
  const [found = '', allowed] = fault.split('; allowed: ');
  return fail('configuration', found, allowed === undefined ? 'mend the file' : `allowed: ${allowed}`);
}

function asWarning(warning: string): Finding {
  return warn('configuration', warning, 'see docs/configuration.md');
}

/** What a check throws is a finding as well. */
async function inTime(name: string, check: () => Promise<Finding[]>): Promise<Finding[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding[]>((resolve) => {
    const found = [fail(name, `no result within ${PATIENCE_MS / 1000} s`, 'see what else is wrong')];
    timer = setTimeout(() => resolve(found), PATIENCE_MS);
  });
  const done = check().catch((error: unknown) => [fail(name, explain(error), 'see what else is wrong')]);
  return Promise.race([done, late]).finally(() => clearTimeout(timer));
}
