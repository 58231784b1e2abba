/**
 * What `json_encode(unserialize(…))` gives in PHP, for null, booleans, numbers, strings of UTF-8 and arrays of them;
 * `undefined` for all else: objects have no JSON that would become them again.
 */
export function jsonOfPhp(serialized: Buffer): string | undefined {
  const reader = new PhpReader(serialized);
  try {
    const json = reader.value();
    return reader.isAtEnd() ? json : undefined;
  } catch (error) {
    if (error instanceof NoJson) return undefined;
    throw error;
  }
}

class NoJson extends Error {}

/** Deeper arrays PHP does not encode either, unless told to. */
const MOST_LEVELS = 512;

class PhpReader {
  private at = 0;
  private level = 0;
  private readonly utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(private readonly bytes: Buffer) {}

  isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  value(): string {
    const type = this.take(2);
    if (type === 'N;') return 'null';
    if (type === 'b:') return this.upTo(';', /^[01]$/) === '1' ? 'true' : 'false';
    if (type === 'i:') return this.upTo(';', /^-?\d+$/);
    if (type === 'd:') return this.upTo(';', /^-?\d+(\.\d+)?(E[+-]?\d+)?$/i);
    if (type === 's:') return JSON.stringify(this.string());
    if (type === 'a:') return this.array();
    throw new NoJson();
  }

  /** `3:"abc";`, counted in bytes. */
  private string(): string {
    const length = Number(this.upTo(':', /^\d+$/));
    this.expect('"');
    const text = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    this.expect('";');
    try {
      return this.utf8.decode(text);
    } catch {
      throw new NoJson();
    }
  }

  /** `2:{i:0;…i:1;…}`. A list is one whose keys count from 0. */
  private array(): string {
    if (++this.level > MOST_LEVELS) throw new NoJson();
    const length = Number(this.upTo(':', /^\d+$/));
    this.expect('{');
    const keys: string[] = [];
    const values: string[] = [];
    while (keys.length < length) {
      keys.push(this.arrayKey());
      values.push(this.value());
    }
    this.expect('}');
    this.level--;
    if (keys.every((key, i) => key === String(i))) return `[${values.join(',')}]`;
    return `{${keys.map((key, i) => `${JSON.stringify(key)}:${values[i]}`).join(',')}}`;
  }

  private arrayKey(): string {
    const type = this.take(2);
    if (type === 'i:') return this.upTo(';', /^-?\d+$/);
    if (type === 's:') return this.string();
    throw new NoJson();
  }

  private expect(text: string): void {
    if (this.take(text.length) !== text) throw new NoJson();
  }

  private take(length: number): string {
    const text = this.bytes.toString('latin1', this.at, this.at + length);
    this.at += length;
    return text;
  }

  private upTo(end: string, form: RegExp): string {
    const found = this.bytes.indexOf(end, this.at, 'latin1');
    const text = this.bytes.toString('latin1', this.at, found < 0 ? this.at : found);
    if (!form.test(text)) throw new NoJson();
    this.at = found + 1;
    return text;
  }
}
