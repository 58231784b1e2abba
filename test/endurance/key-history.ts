/** The number of a value that was written, or `undefined` where there is none. */
export type State = number | undefined;

/**
 * What a key may hold, as its only writer knows it, who does one thing after the other: what was acknowledged or read
 * last, or any later write that was not acknowledged. Whether and when that one takes effect is open; but once it was
 * read, what was before does not come back, as a read at LOCAL_QUORUM repairs what it found before it answers.
 */
export class KeyHistory {
  /** Oldest first. */
  private possible: State[] = [undefined];

  wrote(state: State, isAcknowledged: boolean): void {
    if (isAcknowledged) this.possible = [state];
    else this.possible.push(state);
  }

  /** Tells whether it was allowed to be there. */
  saw(state: State): boolean {
    const at = this.possible.indexOf(state);
    this.possible = this.possible.slice(Math.max(at, 0));
    return at >= 0;
  }

  toString(): string {
    return this.possible.map((state) => (state === undefined ? 'nothing' : `value ${state}`)).join(' or ');
  }
}
