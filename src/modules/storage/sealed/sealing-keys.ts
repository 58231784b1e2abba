import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

/** A value is sealed with one of these, which its header names. */
export interface ValueKey {
  readonly name: string;
  /** What a value that it sealed begins with. */
  readonly head: Buffer;
  /** The pseudorandom key of HKDF (RFC 5869, section 2.2). */
  readonly pseudorandom: KeyObject;
}

/** The name of a row is made with one of these. */
export interface RowSecret {
  readonly name: string;
  readonly secret: KeyObject;
}

export interface SealingKeys {
  /** The first seals, each opens what it sealed. */
  readonly values: readonly ValueKey[];
  /** The newest first: in this order rows are looked for, the same in every process. */
  readonly rows: readonly RowSecret[];
  /** Of `rows`, the one that is written: the first, unless that is a `next-row`. */
  readonly written: number;
}

interface Line {
  number: number;
  kind: 'value' | 'row' | 'next-row';
  name: string;
  secret: string;
}

/** No UTF-8 has the first byte, so no JSON and no text of PHP; the second is the format. */
const MAGIC = Buffer.from([0xff, 0x01]);
const ID_BYTES = 8;
export const HEAD_BYTES = MAGIC.length + ID_BYTES;

const SALT = 'kask sealed value 1';
const LINE = /^(value|row|next-row) ([\w.-]{1,32}): *(\S+)$/;
const BASE64_OF_32_BYTES = /^[A-Za-z0-9+/]{43}=$/;

/** Reads the text of `encryption.key_file`. Faults name lines, and quote nothing of them. */
export function parseSealingKeys(text: string): { keys: SealingKeys; faults: string[] } {
  const faults: string[] = [];
  const lines = text.split(/\r?\n/).flatMap((line, i) => parseLine(line, i + 1, faults));
  const of = (kind: Line['kind']) => lines.filter((line) => line.kind === kind);
  const [values, rows, next] = [of('value'), of('row'), of('next-row')];
  refuseTwins(lines, faults);
  const areAllRead = faults.length === 0;
  if (areAllRead && values.length === 0) faults.push('there is no `value` line');
  if (areAllRead && rows.length === 0) faults.push('there is no `row` line');
  if (next.length > 1) faults.push('there is more than one `next-row` line');
  const keys = {
    values: values.map(valueKey),
    rows: [...next, ...rows].map(({ name, secret }) => ({ name, secret: secretKey(secret) })),
    written: next.length,
  };
  return { keys, faults };
}

/** The one block of HKDF-Expand (RFC 5869, section 2.3) that 32 bytes take. */
export function expand(pseudorandom: KeyObject, purpose: string, session = ''): Buffer {
  return createHmac('sha256', pseudorandom).update(`${purpose}\0${session}\x01`).digest();
}

function parseLine(line: string, number: number, faults: string[]): Line[] {
  if (/^\s*(#.*)?$/.test(line)) return [];
  const [, kind, name, secret] = LINE.exec(line) ?? [];
  if (kind === undefined || name === undefined || secret === undefined)
    faults.push(
      `line ${number} is none of \`value NAME: SECRET\`, \`row NAME: SECRET\`, \`next-row NAME: SECRET\``,
    );
  else if (BASE64_OF_32_BYTES.test(secret)) return [{ number, kind: kind as Line['kind'], name, secret }];
  else faults.push(`line ${number}: the secret is not the base64 of 32 bytes`);
  return [];
}

/** One secret for two purposes, or one name for two secrets, is a slip that would be found out too late. */
function refuseTwins(lines: readonly Line[], faults: string[]): void {
  for (const [i, line] of lines.entries())
    for (const before of lines.slice(0, i)) {
      const where = `line ${line.number}: the same`;
      const isOfRows = line.kind !== 'value';
      if (secretKey(before.secret).equals(secretKey(line.secret)))
        faults.push(`${where} secret as in line ${before.number}`);
      if (before.name === line.name && (before.kind !== 'value') === isOfRows)
        faults.push(`${where} name as in line ${before.number}`);
    }
}

function valueKey({ name, secret }: Line): ValueKey {
  const extracted = createHmac('sha256', SALT).update(Buffer.from(secret, 'base64')).digest();
  const pseudorandom = createSecretKey(extracted);
  const id = expand(pseudorandom, 'id').subarray(0, ID_BYTES);
  return { name, head: Buffer.concat([MAGIC, id]), pseudorandom };
}

/** As an object that does not show what it holds when somebody prints it. */
function secretKey(secret: string): KeyObject {
  return createSecretKey(Buffer.from(secret, 'base64'));
}
