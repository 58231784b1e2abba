/*
 * What a history of sessions may be whose every write is conditional.
 *
 * The model. A key is a register: writes, deletes and touches take effect one after the other, each at a moment between
 * the start and the end of its call, and each is told what it met at that moment (Herlihy and Wing, "Linearizability",
 * 1990). A call that was answered with 504, or not at all, has taken effect at some moment since it began, or never; one
 * that was refused with 503 never has. A GET asks no more than a quorum of its datacenter: it finds what some write has
 * left, no older than those that were acknowledged before it began, but perhaps older than one that was not, whatever
 * others have seen of that. Nothing expires.
 */

export type RegisterOperation = 'create' | 'swap' | 'put' | 'remove' | 'touch' | 'get';

/** One request. Times are of one monotonic clock for all clients, in ms. */
export interface RegisterCall {
  key: string;
  client: string;
  operation: RegisterOperation;
  /** What is written. */
  value?: number;
  /** What has to be there: of `swap` always, of `remove` and `touch` where they have a condition. */
  expected?: number;
  /** Of `get`: nothing where it found nothing. */
  found?: number;
  /** `met` was answered with success, `unmet` with 412 or, where nothing was there, 404. */
  outcome: 'met' | 'unmet' | 'refused' | 'unknown';
  start: number;
  end: number;
}

/** Nothing, if there is an order that explains all calls of the key; else the calls up to which there is one. */
export function unexplained(calls: readonly RegisterCall[]): RegisterCall[] | undefined {
  const search = new OrderSearch(calls.filter(({ outcome }) => outcome !== 'refused'));
  return search.succeeds() ? undefined : search.furthest();
}

/** Looks for an order, depth first; what was looked at once in the same state is not looked at again (Lowe, 2017). */
class OrderSearch {
  private readonly calls: readonly RegisterCall[];
  private readonly seen = new Set<string>();
  private readonly ordered: boolean[];
  /** Of those that have to be in it: what is unknown may never have been. */
  private left: number;
  private most = 0;
  private best: RegisterCall[] = [];

  constructor(calls: readonly RegisterCall[]) {
    this.calls = [...calls].sort((a, b) => a.start - b.start);
    this.ordered = this.calls.map(() => false);
    this.left = this.calls.filter(isCertain).length;
  }

  succeeds(value?: number): boolean {
    const taken = this.takeThoseThatChangeNothing(value);
    if (this.left === 0) return true;
    this.note();
    const state = `${value}/${this.ordered.map(Number).join('')}`;
    if (!this.seen.has(state)) {
      this.seen.add(state);
      for (const i of this.next()) {
        const after = effectOf(this.calls[i] as RegisterCall, value);
        if (after === 'none') continue;
        this.take(i);
        if (this.succeeds(after.value)) return true;
        this.giveBack(i);
      }
    }
    for (const i of taken) this.giveBack(i);
    return false;
  }

  furthest(): RegisterCall[] {
    return this.best;
  }

  /** Whatever else comes, they stand as well here as later. */
  private takeThoseThatChangeNothing(value: number | undefined): number[] {
    const taken: number[] = [];
    for (let more = true; more;) {
      more = false;
      for (const i of this.next())
        if (isExplained(this.calls[i] as RegisterCall, value)) {
          this.take(i);
          taken.push(i);
          more = true;
        }
    }
    return taken;
  }

  /** Those before which no other has to come any more. */
  private next(): number[] {
    const open = this.calls.flatMap((call, i) => (this.ordered[i] ? [] : [{ call, i }]));
    return open
      .filter(({ call }) => !open.some(({ call: other }) => hasToComeBefore(other, call)))
      .map(({ i }) => i);
  }

  private take(i: number): void {
    this.ordered[i] = true;
    if (isCertain(this.calls[i] as RegisterCall)) this.left--;
  }

  private giveBack(i: number): void {
    this.ordered[i] = false;
    if (isCertain(this.calls[i] as RegisterCall)) this.left++;
  }

  private note(): void {
    const count = this.ordered.filter(Boolean).length;
    if (count < this.most) return;
    this.most = count;
    this.best = this.calls.filter((_, i) => !this.ordered[i]);
  }
}

function isCertain({ outcome }: RegisterCall): boolean {
  return outcome !== 'unknown';
}

function hasToComeBefore(a: RegisterCall, b: RegisterCall): boolean {
  if (!isCertain(a) || a.end >= b.start) return false;
  // What a refused write or another read has seen, a read of a quorum need not see.
  return b.operation !== 'get' || (a.outcome === 'met' && a.operation !== 'get');
}

/** Of a call that is answered as it is because of what is there, and leaves it so. */
function isExplained(call: RegisterCall, value: number | undefined): boolean {
  if (call.operation === 'get') return call.found === value;
  if (call.outcome === 'unmet') return !isMet(call, value);
  return call.operation === 'touch' && call.outcome === 'met' && isMet(call, value);
}

function effectOf(call: RegisterCall, value: number | undefined): { value?: number } | 'none' {
  if (call.operation === 'get' || call.operation === 'touch' || call.outcome === 'unmet') return 'none';
  return isMet(call, value) ? { value: call.value } : 'none';
}

function isMet({ operation, expected }: RegisterCall, value: number | undefined): boolean {
  if (operation === 'create') return value === undefined;
  if (operation === 'put') return true;
  if (expected !== undefined) return value === expected;
  return operation === 'remove' || value !== undefined;
}
