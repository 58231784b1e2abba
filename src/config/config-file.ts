import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import { likelySpelling } from './likely-spelling.js';
import { allSettings, type Entries, settingsOf, type SectionClass } from './setting.js';
import { Settings } from './settings.js';
import { readText, Unreadable } from './text-file.js';
import { showText, Unusable, type Findings, type Written } from './written.js';

/** The settings that the file holds, by path; nothing when it is no YAML that we can read. */
export function readConfigFile(file: string, findings: Findings): Map<string, Written> | undefined {
  const document = parse(file, findings.faults);
  if (!document) return undefined;
  const written = new Map<string, Written>();
  readSection(document.contents, Settings, '', { document, written, ...findings });
  return written;
}

function parse(file: string, faults: string[]): Document | undefined {
  const text = readText(file);
  if (text instanceof Unreadable) {
    faults.push(`${file}: ${text.why}`);
    return undefined;
  }
  // Failsafe: every scalar keeps its source text, so that a password of 007 is not 7, as with Go's reader.
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { schema: 'failsafe', prettyErrors: false, lineCounter });
  for (const { code, pos } of document.errors) {
    const { line, col } = lineCounter.linePos(pos[0]);
    // The parser's own message quotes the line, and a password in it.
    faults.push(
      `${file}, line ${line}, column ${col}: not valid YAML: ${code.toLowerCase().replaceAll('_', ' ')}`,
    );
  }
  return document.errors.length === 0 ? document : undefined;
}

interface Reading extends Findings {
  document: Document;
  written: Map<string, Written>;
  /** Of what may be done: a name that is none, or one with nothing behind it, must not come to more than was meant. */
  isOfRights?: boolean;
}

// Follows the schema, never the file, into depth: recursive or exploding aliases and `__proto__` lead nowhere.
function readSection(given: unknown, section: SectionClass, path: string, reading: Reading): void {
  const node = resolve(given, reading);
  if (isNothing(node)) return;
  if (!isMap(node)) {
    const names = [...settingsOf(section).keys()].join(', ');
    const found = isSeq(node) ? 'a list' : 'a single value';
    reading.faults.push(
      `${path.slice(0, -1) || 'the file'}: found ${found}; allowed: a section with ${names}`,
    );
    return;
  }
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : '';
    const setting = settingsOf(section).get(name);
    if (!setting && reading.isOfRights) refuseUnknown(name, section, path, reading);
    else if (!setting) reportUnknown(name, section, path, reading);
    else if (setting.section) readSection(value, setting.section, `${path}${name}.`, reading);
    else if (setting.entries) readEntries(value, setting.entries, path + name, reading);
    else readSetting(value, path + name, Reflect.get(new section(), name), reading);
  }
}

function readEntries(
  given: unknown,
  { section, names, accepts }: Entries,
  path: string,
  reading: Reading,
): void {
  const node = resolve(given, reading);
  if (isNothing(node)) return;
  if (!isMap(node)) {
    reading.faults.push(`${path}: found no section; allowed: sections, each under ${names}`);
    return;
  }
  const found: string[] = [];
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : '';
    if (accepts(name)) {
      found.push(name);
      readSection(value, section, `${path}.${name}.`, { ...reading, isOfRights: true });
    } else reading.faults.push(`${path}: found a name, ${showText(name)}; allowed: ${names}`);
  }
  if (found.length > 0) reading.written.set(path, { where: path, value: found });
}

function readSetting(given: unknown, path: string, standard: unknown, reading: Reading): void {
  const node = resolve(given, reading);
  const value = isSeq(node) ? listOf(node.items, reading) : textOf(node);
  // A chart renders what its values leave out as empty text.
  const isEmpty = standard === undefined && !(value instanceof Unusable) && value.length === 0;
  if (!isNothing(node) && !isEmpty)
    reading.written.set(path, { where: path, value, quoted: isScalar(node) && node.type !== 'PLAIN' });
  else if (reading.isOfRights) reading.written.set(path, { where: path, value: NOTHING });
}

const NOTHING = new Unusable('nothing');
const UNUSABLE = new Unusable('what is neither a text nor a list of texts');

function listOf(items: unknown[], reading: Reading): string[] | Unusable {
  const values = items.map((item) => textOf(resolve(item, reading)));
  return values.every((value) => typeof value === 'string') ? values : UNUSABLE;
}

function textOf(node: unknown): string | Unusable {
  return isScalar(node) ? String(node.value) : UNUSABLE;
}

function resolve(node: unknown, { document }: Reading): unknown {
  return isAlias(node) ? (node.resolve(document) ?? UNUSABLE) : node;
}

function isNothing(node: unknown): boolean {
  return (
    !node || (isScalar(node) && node.type === 'PLAIN' && /^(~|null|Null|NULL)?$/.test(String(node.value)))
  );
}

function refuseUnknown(name: string, section: SectionClass, path: string, { faults }: Reading): void {
  const allowed = [...settingsOf(section).keys()].join(', ');
  faults.push(`${path.slice(0, -1)}: found a name, ${showText(name)}; allowed: ${allowed}`);
}

function reportUnknown(
  name: string,
  section: SectionClass,
  path: string,
  { faults, warnings }: Reading,
): void {
  if (name === '<<') {
    faults.push(`${path}<<: found a merge key; allowed: settings that are written out`);
    return;
  }
  const neighbours = [...settingsOf(section).keys()].map((key) => path + key);
  const everywhere = allSettings(Settings).map(([other]) => other);
  const likely = everywhere.includes(name)
    ? name
    : likelySpelling(name, [...neighbours, ...everywhere], lastWord);
  // `{password:hunter2}`, without the space, is a key: what stands beside a secret is only shown when we know it.
  const besideSecret = [...settingsOf(section).values()].some(({ secret }) => secret);
  const shown =
    /^[\w.-]{1,64}$/.test(name) && (likely || !besideSecret) ? name : '(a name that is not shown)';
  warnings.push(`${path}${shown}: unknown setting, ignored${likely ? `; did you mean ${likely}?` : ''}`);
}

function lastWord(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}
