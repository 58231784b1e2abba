import type { Call } from './history.js';

/** What a key held at some time: what a write made of it, or an absence of which nobody knows the write. */
export interface State {
  readonly write?: Call;
  /** Its timestamp was taken between these, in ms. */
  from: number;
  until: number;
  /** Values that may have expired, of which an absence may be one. */
  readonly mayBe: ReadonlySet<State>;
  /** What is surely newer, and the read that showed it. */
  readonly newer: Map<State, Call>;
}

export function stateBetween(from: number, until: number, of: Partial<State> = {}): State {
  return { mayBe: new Set(), newer: new Map(), ...of, from, until };
}

/**
 * All that is known of the order of one key's timestamps: the span in which each was taken, and pairs that reads put in
 * order. What it holds is possible at any time: some choice of a timestamp for each state agrees with all of it.
 */
export class TimestampOrder {
  constructor(private readonly clockSkewMs: number) {}

  /**
   * Nothing if `older` may be older than `newer`. Else what speaks against it: states from `newer` on, each older than
   * the next, up to `older` itself or to one whose timestamp was taken too early for that.
   */
  contradiction(older: State, newer: State): State[] | undefined {
    return this.consequences(older, newer).against;
  }

  add(older: State, newer: State, read: Call): void {
    for (const [state, { from }] of this.consequences(older, newer).raised) state.from = from;
    older.newer.set(newer, read);
  }

  /** Since when, at the earliest, the timestamps of `newer` and of all newer ones were taken. */
  private consequences(older: State, newer: State) {
    const raised = new Map<State, { from: number; by?: State }>();
    const open: { state: State; from: number; by?: State }[] = [
      { state: newer, from: older.from - this.skew(older, newer) },
    ];
    for (let next = open.pop(); next; next = open.pop()) {
      const { state, by } = next;
      const from = Math.max(next.from, state.from);
      if ((raised.get(state)?.from ?? -Infinity) >= from) continue;
      raised.set(state, { from, by });
      if (state === older || from > state.until) return { raised, against: pathTo(state, raised) };
      for (const after of state.newer.keys())
        open.push({ state: after, from: from - this.skew(state, after), by: state });
    }
    return { raised };
  }

  /** Timestamps of one service never go back; those of two are as far apart as their clocks. */
  private skew(a: State, b: State): number {
    return a.write && a.write.datacenter === b.write?.datacenter ? 0 : this.clockSkewMs;
  }
}

function pathTo(last: State, raised: ReadonlyMap<State, { by?: State }>): State[] {
  const path: State[] = [];
  for (let state: State | undefined = last; state; state = raised.get(state)?.by) path.unshift(state);
  return path;
}
