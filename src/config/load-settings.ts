import { stringify } from 'yaml';
import { checkAuthentication } from './authentication.js';
import { readConfigFile } from './config-file.js';
import { checkDocsPage } from './docs-page.js';
import { checkEmbeddedDirectory } from './embedded-directory.js';
import { readEnvironment } from './environment.js';
import { checkKeyFiles } from './key-files.js';
import { checkNamespaces } from './namespaces.js';
import { Validator } from './rules.js';
import { type Entries, settingsOf, type SectionClass } from './setting.js';
import { Settings } from './settings.js';
import { readText, Unreadable } from './text-file.js';
import { checkTlsFiles } from './tls-files.js';
import { show, showText, Unusable, type Findings, type Written } from './written.js';

export class InvalidSettings extends Error {
  constructor(
    file: string,
    readonly faults: string[],
    readonly warnings: string[],
  ) {
    const lines = [...faults, ...warnings.map((warning) => `(warning) ${warning}`)];
    super(`the settings of ${file} and the environment cannot be used:\n  ${lines.join('\n  ')}`);
    this.name = 'InvalidSettings';
  }
}

/** Reads the file, then the environment over it, and reports every fault of both at once. */
export function loadSettings(
  file: string,
  env: NodeJS.ProcessEnv,
): { settings: Settings; warnings: string[] } {
  const findings: Findings = { faults: [], warnings: [] };
  const fromFile = readConfigFile(file, findings);
  if (!fromFile) throw new InvalidSettings(file, findings.faults, findings.warnings);
  const written = new Map([...fromFile, ...readEnvironment(env, findings)]);

  const settings = fill(new Settings(), '', written, findings.faults);
  checkTlsFiles(settings, written, findings);
  checkAuthentication(settings, findings);
  checkKeyFiles(settings, written, findings);
  checkEmbeddedDirectory(settings, written, findings);
  checkNamespaces(settings, written, findings);
  checkTtl(settings, written, findings.faults);
  checkTimes(settings, written, findings.warnings);
  checkOpenApi(settings, findings.warnings);
  checkDocsPage(settings, findings);
  if (findings.faults.length > 0) throw new InvalidSettings(file, findings.faults, findings.warnings);
  return { settings: freeze(settings), warnings: findings.warnings };
}

/** One setting as it is written, whatever is wrong with the others; undefined if it is not set. */
export function writtenSetting(file: string, env: NodeJS.ProcessEnv, path: string): unknown {
  const findings: Findings = { faults: [], warnings: [] };
  const fromFile = readConfigFile(file, findings);
  if (!fromFile) throw new InvalidSettings(file, findings.faults, findings.warnings);
  return (readEnvironment(env, findings).get(path) ?? fromFile.get(path))?.value;
}

/** For --check-config: what is in force, as YAML. */
export function describeSettings(settings: Settings): string {
  return stringify(shown(settings), { lineWidth: 0 });
}

function fill<T extends object>(
  section: T,
  path: string,
  written: Map<string, Written>,
  faults: string[],
): T {
  const settings = settingsOf(section.constructor as SectionClass);
  for (const [key, setting] of settings) {
    const found = written.get(path + key);
    if (found)
      Reflect.set(
        section,
        key,
        setting.entries
          ? fillEntries(setting.entries, found.value as string[], path + key, written, faults)
          : setting.read(found),
      );
    if (!setting.section || !(Reflect.has(section, key) || isWritten(`${path}${key}.`, written))) continue;
    Reflect.set(section, key, fill(new setting.section(), `${path}${key}.`, written, faults));
  }
  // A section that has nothing but sections has no rules, which is a fault to class-validator unless told.
  for (const { property } of new Validator().validateSync(section, { forbidUnknownValues: false })) {
    const { allowed, secret } = settings.get(property)!;
    const found = written.get(path + property);
    const hidden = secret && !(found?.value instanceof Unusable);
    const what = !found ? 'nothing' : hidden ? 'a value that is not shown' : show(found);
    faults.push(`${found?.where ?? path + property}: found ${what}; allowed: ${allowed}`);
    Reflect.deleteProperty(section, property);
  }
  return section;
}

function fillEntries(
  { section }: Entries,
  names: string[],
  path: string,
  written: Map<string, Written>,
  faults: string[],
): Record<string, object> {
  const filled = (name: string) => fill(new section(), `${path}.${name}.`, written, faults);
  return Object.fromEntries(names.map((name) => [name, filled(name)]));
}

function isWritten(path: string, written: Map<string, Written>): boolean {
  return [...written.keys()].some((other) => other.startsWith(path));
}

/** Where it is not written, what was a good `default_ttl` before there was a most stays one. */
function checkTtl(settings: Settings, written: Map<string, Written>, faults: string[]): void {
  const { default_ttl, max_ttl } = settings;
  const found = written.get('max_ttl');
  if (!found) settings.max_ttl = Math.max(default_ttl, max_ttl);
  else if (max_ttl < default_ttl)
    faults.push(`${found.where}: found ${max_ttl}; allowed: no less than default_ttl, ${default_ttl}`);
}

function checkTimes(settings: Settings, written: Map<string, Written>, warnings: string[]): void {
  const { storage, cassandra, request_timeout_ms, shutdown_timeout_ms: patience } = settings;
  const { query_timeout_ms } = cassandra;
  const isQuery = storage === 'cassandra' && query_timeout_ms < request_timeout_ms;
  const setting = isQuery ? 'cassandra.query_timeout_ms' : 'request_timeout_ms';
  const wait = isQuery ? query_timeout_ms : request_timeout_ms;
  if (wait >= patience)
    warnings.push(
      `${written.get(setting)?.where ?? setting}: ${wait} is not less than shutdown_timeout_ms, ${patience}: a shutdown may cut requests that wait for the storage`,
    );
}

function checkOpenApi({ openapi_spec: file }: Settings, warnings: string[]): void {
  const text = file && readText(file);
  if (text instanceof Unreadable)
    warnings.push(`openapi_spec: ${showText(file ?? '')} ${text.why}; ours is served instead`);
}

function freeze<T extends object>(section: T): T {
  for (const value of Object.values(section) as unknown[])
    if (typeof value === 'object' && value) freeze(value);
  return Object.freeze(section);
}

function shown(section: object): Record<string, unknown> {
  const entries = [...settingsOf(section.constructor as SectionClass)].map(([key, setting]) => {
    const value = Reflect.get(section, key) as unknown;
    if (value === undefined) return [key, undefined];
    return [key, setting.secret ? '(hidden)' : setting.section ? shown(value as object) : value];
  });
  return Object.fromEntries(entries) as Record<string, unknown>;
}
