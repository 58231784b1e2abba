/** A pattern of session keys, in which `*` stands for any text, also for none. A key is looked through once for it. */
export class KeyPattern {
  private readonly start: string;
  private readonly middle: readonly string[];
  /** Nothing where the whole key is written. */
  private readonly end: string | undefined;

  constructor(pattern: string) {
    const [start = '', ...parts] = pattern.split('*');
    this.start = start;
    this.end = parts.pop();
    this.middle = parts;
  }

  matches(key: string): boolean {
    const { start, middle, end } = this;
    if (end === undefined) return key === start;
    if (!key.startsWith(start) || !key.endsWith(end)) return false;
    let from = start.length;
    for (const part of middle) {
      const at = key.indexOf(part, from);
      if (at === -1) return false;
      from = at + part.length;
    }
    return from <= key.length - end.length;
  }
}
