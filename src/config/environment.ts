import { readFileSync } from 'node:fs';
import { errorCode } from './config-file.js';
import { likelySpelling } from './likely-spelling.js';
import { allSettings, type Setting } from './setting.js';
import { Settings } from './settings.js';
import { showText, type Findings, type Written } from './written.js';

export function variableOf(path: string): string {
  return `KASK_${path.replaceAll('.', '_').toUpperCase()}`;
}

/** The settings that the environment holds, by path. An empty variable counts as not set. */
export function readEnvironment(env: NodeJS.ProcessEnv, findings: Findings): Map<string, Written> {
  const set = new Map(Object.entries(env).filter((entry): entry is [string, string] => !!entry[1]));
  const written = new Map<string, Written>();
  for (const [path, setting] of allSettings(Settings)) {
    const found = readVariable(variableOf(path), setting, set, findings);
    if (found) written.set(path, found);
  }
  findings.warnings.push(...unknownVariables(set.keys()));
  return written;
}

function readVariable(
  variable: string,
  { secret, list }: Setting,
  set: Map<string, string>,
  { faults, warnings }: Findings,
): Written | undefined {
  const value = set.get(variable);
  const file = secret ? set.get(`${variable}_FILE`) : undefined;
  if (value && file) faults.push(`${variable}, ${variable}_FILE: found both; allowed: one of them`);
  if (file) return readSecret(`${variable}_FILE`, file, faults);
  if (!value) return undefined;
  if (SERVICE_LINK.test(value)) {
    warnings.push(
      `${variable}: ignored, because Kubernetes set it for a Service; enableServiceLinks: false prevents that`,
    );
    return undefined;
  }
  return { where: variable, value: list ? value.split(',').map((item) => item.trim()) : value };
}

function readSecret(where: string, file: string, faults: string[]): Written | undefined {
  try {
    return { where, value: readFileSync(file, 'utf8').replace(/\r?\n$/, '') };
  } catch (error) {
    faults.push(
      `${where}: found ${showText(file)}, which cannot be read (${errorCode(error)}); allowed: path of a file`,
    );
    return undefined;
  }
}

// What Kubernetes injects for a Service called kask, or kask-cassandra: KASK_CASSANDRA_PORT=tcp://10.0.0.7:9042.
const SERVICE_LINK = /^(tcp|udp|sctp):\/\//;
const NOT_OURS = /^KASK_(PORT(_.*)?|(.+_)?SERVICE_(HOST|PORT(_.*)?)|.+_PORT_\d+_.*|TEST_.*)$/;

function unknownVariables(names: Iterable<string>): string[] {
  const known = allSettings(Settings).flatMap(([path, { secret }]) =>
    secret ? [variableOf(path), `${variableOf(path)}_FILE`] : [variableOf(path)],
  );
  return [...names]
    .filter((name) => name.startsWith('KASK_') && !known.includes(name) && !NOT_OURS.test(name))
    .map((name) => {
      const likely =
        likelySpelling(name, known, (other) => other) ??
        known.find((other) => other.endsWith(name.slice(name.lastIndexOf('_'))));
      return `${name}: unknown variable, ignored${likely ? `; did you mean ${likely}?` : ''}`;
    });
}
