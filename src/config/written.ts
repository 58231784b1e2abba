/** A value as somebody wrote it, before we know whether it is what its setting wants. */
export interface Written {
  /** Its path in the file, or the name of its environment variable. */
  where: string;
  value: string | string[] | Unusable;
  quoted?: boolean;
}

/** Stands for a value that no setting can be, in words that do not quote it. */
export class Unusable {
  constructor(readonly what: string) {}
}

/** What reading the settings has to say, beside the settings. */
export interface Findings {
  faults: string[];
  warnings: string[];
}

/** Plain decimal digits: `010` is 8 to YAML 1.1 and 10 to YAML 1.2, so neither it nor 0x8, 1e3, 1_000 is a number here. */
export const WHOLE_NUMBER = /^-?(0|[1-9]\d*)$/;

/** Plain decimal digits, with a point between them or without. */
export const FRACTION = /^(0|[1-9]\d*)(\.\d+)?$/;

export function show({ value, quoted }: Written): string {
  if (value instanceof Unusable) return value.what;
  if (Array.isArray(value)) return `[${value.map(showText).join(', ')}]`;
  if (!WHOLE_NUMBER.test(value)) return showText(value);
  return quoted ? `"${value}" in quotes` : value;
}

/** A key pasted where its path belongs (32 bytes in base64 or hexadecimal, or a PEM), or user:password@host: neither may reach a log. */
export function showText(text: string): string {
  return /[\n@]|.{121}|[A-Za-z0-9+/]{43}=|[0-9A-Fa-f]{64}/.test(text)
    ? 'a text that is not shown (it is long, or may hold a secret)'
    : JSON.stringify(text);
}
