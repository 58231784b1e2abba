/** What should not have happened: each kind once, with how often, and its first example. */
export class Wrongs {
  private readonly kinds = new Map<string, { count: number; example: string }>();

  add(kind: string, example = ''): void {
    const known = this.kinds.get(kind);
    if (known) known.count++;
    else this.kinds.set(kind, { count: 1, example });
  }

  told(): string[] {
    return [...this.kinds].map(([kind, { count, example }]) =>
      [count > 1 ? `${kind} (${count} times)` : kind, example].filter(Boolean).join(': '),
    );
  }
}
