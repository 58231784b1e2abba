import * as rules from './rules.js';
import { FRACTION, WHOLE_NUMBER, type Written } from './written.js';

export type SectionClass = new () => object;

/** What the file, the environment, --check-config and the document have to know of a setting. */
export interface Setting {
  allowed: string;
  secret?: boolean;
  list?: boolean;
  section?: SectionClass;
  /** A section for each of some names, which are the file's to choose. */
  entries?: Entries;
  /** The written value as the setting's type; what cannot be converted is returned as it is, to fail validation. */
  read(written: Written): unknown;
}

export interface Entries {
  section: SectionClass;
  /** What a name can be. */
  names: string;
  accepts: (name: string) => boolean;
}

interface Options {
  allowed: string;
  secret?: boolean;
  optional?: boolean;
  /** Optional unless this neighbour is set. */
  neededWith?: string;
}

interface TextOptions extends Options {
  accepts?: (text: string) => boolean;
  normalise?: (text: string) => string;
}

const schema = new Map<object, Map<string, Setting>>();

export function settingsOf(section: SectionClass): Map<string, Setting> {
  return schema.get(section.prototype as object) ?? new Map<string, Setting>();
}

/** Every setting and section below a section, by its path in the file; `*` stands for a name that the file chooses. */
export function allSettings(section: SectionClass, path = ''): [path: string, setting: Setting][] {
  return [...settingsOf(section)].flatMap(([key, setting]) => [
    [path + key, setting],
    ...(setting.section ? allSettings(setting.section, `${path}${key}.`) : []),
    ...(setting.entries ? allSettings(setting.entries.section, `${path}${key}.*.`) : []),
  ]);
}

export function Text({ accepts = isNotEmpty, normalise = (text) => text, ...options }: TextOptions) {
  const read = ({ value }: Written) => (typeof value === 'string' ? normalise(value) : value);
  return declare({ read }, options, IsTextThat(accepts));
}

export function TextList({ accepts = isNotEmpty, ...options }: TextOptions) {
  const read = ({ value }: Written) => value;
  const items = IsTextThat(accepts, { each: true });
  return declare({ read, list: true }, options, rules.IsArray(), rules.ArrayNotEmpty(), items);
}

export function WholeNumber({ min, max, unit }: { min: number; max: number; unit?: string }) {
  const read = ({ value, quoted }: Written) =>
    typeof value === 'string' && !quoted && WHOLE_NUMBER.test(value) ? Number(value) : value;
  const allowed = `a whole number${unit ? ` of ${unit}` : ''} from ${min} to ${max}`;
  return declare({ read }, { allowed }, rules.IsInt(), rules.Min(min), rules.Max(max));
}

export function Fraction(options: Pick<Options, 'optional'>) {
  const read = ({ value, quoted }: Written) =>
    typeof value === 'string' && !quoted && FRACTION.test(value) ? Number(value) : value;
  return declare({ read }, { allowed: 'a number from 0 to 1', ...options }, rules.Min(0), rules.Max(1));
}

export function OneOf(values: readonly string[], options: Pick<Options, 'optional'> = {}) {
  const read = ({ value }: Written) => (typeof value === 'string' ? value.toLowerCase() : value);
  return declare({ read }, { allowed: `one of ${values.join(', ')}`, ...options }, rules.IsIn(values));
}

export function Flag() {
  const read = ({ value }: Written) => (value === 'true' || value === 'false' ? value === 'true' : value);
  return declare({ read }, { allowed: 'true or false' }, rules.IsIn([true, false]));
}

export function Section(section: SectionClass) {
  const names = [...settingsOf(section).keys()].join(', ');
  return declare({ read: () => undefined, section }, { allowed: `a section with ${names}` });
}

export function Sections(entries: Entries) {
  const names = [...settingsOf(entries.section).keys()].join(', ');
  const allowed = `sections with ${names}, each under ${entries.names}`;
  return declare({ read: () => undefined, entries }, { allowed });
}

function declare(
  kind: Pick<Setting, 'read' | 'list' | 'section' | 'entries'>,
  { allowed, secret, optional, neededWith }: Options,
  ...checks: PropertyDecorator[]
): PropertyDecorator {
  return (target, key) => {
    schema.set(
      target,
      settingsOf(target.constructor as SectionClass).set(String(key), { ...kind, allowed, secret }),
    );
    if (optional) checks.push(rules.IsOptional());
    if (neededWith)
      checks.push(rules.ValidateIf((section: object) => key in section || neededWith in section));
    for (const check of checks) check(target, key);
  };
}

function IsTextThat(accepts: (text: string) => boolean, options?: { each: true }): PropertyDecorator {
  const validator = { validate: (value: unknown) => typeof value === 'string' && accepts(value) };
  return rules.ValidateBy({ name: 'isTextThat', validator }, options);
}

function isNotEmpty(text: string): boolean {
  return text !== '';
}
