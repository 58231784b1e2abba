import {
  ArrayNotEmpty,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  Max,
  Min,
  ValidateBy,
  ValidateIf,
} from 'class-validator';
import { WHOLE_NUMBER, type Written } from './written.js';

export type SectionClass = new () => object;

/** What the reader of the file, the reader of the environment, --check-config and the document know of a setting. */
export interface Setting {
  allowed: string;
  about: string;
  secret: boolean;
  list: boolean;
  /** The written value as the setting's type; what cannot be converted is returned as it is, to fail validation. */
  read(written: Written): unknown;
  section?: SectionClass;
}

interface Description {
  about: string;
  allowed?: string;
  secret?: boolean;
  optional?: boolean;
  /** Optional unless this neighbour is set. */
  neededWith?: string;
}

const schema = new Map<object, Map<string, Setting>>();

export function settingsOf(section: SectionClass): Map<string, Setting> {
  return schema.get(section.prototype as object) ?? new Map<string, Setting>();
}

/** Every setting below a section, by its path in the file. */
export function allSettings(section: SectionClass, path = ''): [path: string, setting: Setting][] {
  return [...settingsOf(section)].flatMap(([key, setting]) =>
    setting.section ? allSettings(setting.section, `${path}${key}.`) : [[path + key, setting]],
  );
}

type TextRule = Description & { accepts?: (text: string) => boolean; normalise?: (text: string) => string };

export function Text({ accepts = (text) => text !== '', normalise = (text) => text, ...about }: TextRule) {
  const read = ({ value }: Written) => (typeof value === 'string' ? normalise(value) : value);
  return describe({ allowed: 'text, not empty', ...about }, { read }, IsTextThat(accepts));
}

export function TextList({
  accepts,
  ...about
}: Description & { allowed: string; accepts: (text: string) => boolean }) {
  const read = ({ value }: Written) => value;
  return describe(
    about,
    { read, list: true },
    IsArray(),
    ArrayNotEmpty(),
    IsTextThat(accepts, { each: true }),
  );
}

export function WholeNumber({
  min,
  max,
  unit,
  ...about
}: Description & { min: number; max: number; unit?: string }) {
  const read = ({ value, quoted }: Written) =>
    typeof value === 'string' && !quoted && WHOLE_NUMBER.test(value) ? Number(value) : value;
  const allowed = `a whole number${unit ? ` of ${unit}` : ''} from ${min} to ${max}`;
  return describe({ allowed, ...about }, { read }, IsInt(), Min(min), Max(max));
}

export function OneOf(values: readonly string[], about: Description) {
  const read = ({ value }: Written) => (typeof value === 'string' ? value.toLowerCase() : value);
  return describe({ allowed: `one of ${values.join(', ')}`, ...about }, { read }, IsIn(values));
}

export function Section(section: SectionClass, about: string): PropertyDecorator {
  const allowed = `a section with ${[...settingsOf(section).keys()].join(', ')}`;
  return describe({ about, allowed }, { section, read: () => undefined });
}

function describe(
  { about, allowed = '', secret = false, optional, neededWith }: Description,
  kind: Pick<Setting, 'read' | 'section'> & { list?: boolean },
  ...rules: PropertyDecorator[]
): PropertyDecorator {
  return (target, key) => {
    const settings = schema.get(target) ?? new Map<string, Setting>();
    schema.set(target, settings.set(String(key), { list: false, ...kind, about, allowed, secret }));
    if (optional) rules.push(IsOptional());
    if (neededWith)
      rules.push(
        ValidateIf((section: object) => Reflect.has(section, key) || Reflect.has(section, neededWith)),
      );
    for (const rule of rules) rule(target, key);
  };
}

function IsTextThat(accepts: (text: string) => boolean, options?: { each: true }): PropertyDecorator {
  const validator = (value: unknown) => typeof value === 'string' && accepts(value);
  return ValidateBy({ name: 'isTextThat', validator }, options);
}
