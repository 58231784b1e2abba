import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Settings } from '../config/settings.js';
import { fail, type Finding, ok, warn } from '../finding.js';
import { OTHER_DESCRIPTORS } from '../http/connection-limits.js';

/** As package.json has it under `engines`. */
const LEAST_NODE = [20, 19] as const;
/** Below the first the embedded store takes no session that is new. */
const FREE_BYTES = { least: 64 * 1024 ** 2, ample: 1024 ** 3 };

export function nodeVersionFinding(version = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1]);
  if (isOld) return fail('Node.js', version, `run it with ${LEAST_NODE.join('.')} or later`);
  return ok('Node.js', version);
}

/** Nothing where the system does not tell. */
export function openFilesFindings({ limits }: Settings, limit = openFilesLimit()): Finding[] {
  if (limit === undefined) return [];
  const needed = limits.connections + OTHER_DESCRIPTORS;
  const found = `${limit} may be open, ${needed} are needed for limits.connections, ${limits.connections}`;
  if (limit >= needed) return [ok('files', found)];
  return [
    warn('files', found, `ulimit -n ${needed} (LimitNOFILE of systemd), or a lower limits.connections`),
  ];
}

export function depoolFindings({ depool_file: file }: Settings): Finding[] {
  if (file === undefined) return [];
  if (existsSync(file)) return [warn('pool', `depooled: ${file} is there`, 'run kask pool')];
  return [ok('pool', 'not depooled')];
}

export function diskFindings({ storage, embedded }: Settings): Finding[] {
  if (storage !== 'embedded') return [];
  const { bavail, bsize } = statfsSync(nearestExisting(resolve(embedded.path)));
  const bytes = bavail * bsize;
  const found = `${(bytes / 1024 ** 2).toFixed(0)} MiB are free for the embedded store`;
  const fix = 'make room, or set embedded.path to a larger disk';
  if (bytes < FREE_BYTES.least) return [fail('disk', found, fix)];
  return [bytes < FREE_BYTES.ample ? warn('disk', found, fix) : ok('disk', found)];
}

function openFilesLimit(): number | undefined {
  try {
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return limit === undefined ? undefined : Number(limit);
  } catch {
    return undefined;
  }
}

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}
