import { likelySpelling } from './likely-spelling.js';
import { allSettings, type Setting } from './setting.js';
import { Settings } from './settings.js';
import { readText } from './text-file.js';
import { Unusable, type Findings, type Written } from './written.js';

export function variableOf(path: string): string {
  return `KASK_${path.replaceAll('.', '_').toUpperCase()}`;
}

/** The settings that the environment holds, by path. An empty variable counts as not set. */
export function readEnvironment(env: NodeJS.ProcessEnv, { warnings }: Findings): Map<string, Written> {
  const set = new Map(Object.entries(env).filter((entry): entry is [string, string] => !!entry[1]));
  const written = new Map<string, Written>();
  for (const [path, setting] of valueSettings()) {
    const found = readVariable(variableOf(path), setting, set, warnings);
    if (found) written.set(path, found);
  }
  warnings.push(...unknownVariables(set));
  return written;
}

function readVariable(
  variable: string,
  { secret, list }: Setting,
  set: Map<string, string>,
  warnings: string[],
): Written | undefined {
  const value = set.get(variable);
  const file = secret ? set.get(`${variable}_FILE`) : undefined;
  if (value && file) return { where: variable, value: new Unusable(`a value, and ${variable}_FILE as well`) };
  if (file) return readSecret(`${variable}_FILE`, file);
  if (!value) return undefined;
  if (SERVICE_LINK.test(value)) {
    warnings.push(
      `${variable}: ignored, because Kubernetes set it for a Service; enableServiceLinks: false prevents that`,
    );
    return undefined;
  }
  return { where: variable, value: list ? value.split(',').map((item) => item.trim()) : value };
}

function readSecret(where: string, file: string): Written {
  const text = readText(file);
  if (typeof text === 'string') return { where, value: text.replace(/\r?\n$/, '') };
  // Not the path: it may be the secret itself, in the wrong variable.
  return { where, value: new Unusable(`a file that ${text.why}`) };
}

// What Kubernetes injects for a Service called kask, or kask-cassandra: KASK_CASSANDRA_PORT=tcp://10.0.0.7:9042.
const SERVICE_LINK = /^(tcp|udp|sctp):\/\//;
const NOT_OURS = /^KASK_(PORT(_.*)?|(.+_)?SERVICE_(HOST|PORT(_.*)?)|.+_PORT_\d+_.*|TEST_.*)$/;
/** What `kask import` alone reads. */
const OF_IMPORT = /^KASK_IMPORT_(PASSWORD|HMAC_KEY)(_FILE)?$/;

function unknownVariables(set: Map<string, string>): string[] {
  const known = valueSettings().flatMap(([path, { secret }]) =>
    secret ? [variableOf(path), `${variableOf(path)}_FILE`] : [variableOf(path)],
  );
  return [...set]
    .filter(([name, value]) => name.startsWith('KASK_') && !NOT_OURS.test(name) && !SERVICE_LINK.test(value))
    .filter(([name]) => !known.includes(name) && !OF_IMPORT.test(name))
    .map(([name]) => {
      const sameEnd = known.filter((other) => other.endsWith(name.slice(name.lastIndexOf('_'))));
      const likely = likelySpelling(name, sameEnd.length > 0 ? sameEnd : known) ?? sameEnd[0];
      return `${name}: unknown variable, ignored${likely ? `; did you mean ${likely}?` : ''}`;
    });
}

function valueSettings(): [path: string, setting: Setting][] {
  return allSettings(Settings).filter(
    ([path, { section, entries }]) => !section && !entries && !path.includes('*'),
  );
}
