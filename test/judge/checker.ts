import type { Call, History } from './history.js';
import { type State, stateBetween, TimestampOrder } from './timestamp-order.js';

/*
 * What a history of sessions may be.
 *
 * The model. A key holds what its newest write made of it, by a timestamp that the service takes while it has the
 * request: between the start and the end of the call, however often it is then sent. A write that was not acknowledged
 * may take effect at any later time, and never later in the order than its timestamp; so may a DELETE that is pending.
 * A state is known in a datacenter, to each read that starts there afterwards, once
 * - a PUT was acknowledged there (LOCAL_QUORUM), or a DELETE anywhere (EACH_QUORUM);
 * - a read there has found it, as a read repairs what it found in a quorum before it answers.
 * A read finds a state that is as new as all that are known, or newer. Nothing is found where there never was anything
 * known, where a DELETE is the newest, and where the newest has expired: an expired value still hides older ones.
 * A write of the other datacenter comes some time or never (hints end with a coordinator that is killed), so the
 * datacenters have to agree only on what was acknowledged while everything was well.
 *
 * Which timestamps were taken when is not seen; the checker holds what is possible, and complains where nothing is.
 * So no history that the model allows is complained of:
 * - times are those of the calls, and calls that overlap may have any order;
 * - where nothing was found and several writes may be why, only what follows from each of them is held;
 * - writes of two datacenters that are `clockSkewMs` apart or less may have any order. Services whose clocks differ need
 *   a larger one: the bound that they watch, and what lies within is not judged;
 * - Cassandra counts seconds: a value written at 10.9 s with a TTL of 30 expires at 40.0 s. Only coordinators' clocks
 *   matter, and `earlyMs` has to cover how they differ;
 * - each coordinator that is sent a write counts the TTL from when it reads it, and the longest counts. One that is
 *   frozen reads it when it thaws; any may let it wait for as long as its `native_transport_timeout` of 12 s (`lateMs`).
 *
 * What it does not see: a lost write that a newer one or its expiry hid before anybody read; how late a write comes
 * into the other datacenter; what a failed write might explain, though it was not that; a wrong order of writes that
 * overlap, as long as every read agrees with it. It takes it that no two writes of a key have the same timestamp: where two
 * services take one in the same millisecond they may, and the larger value wins, which is one order as well.
 */
export const CHECKS = {
  unwritten: 'values that nobody wrote',
  lost: 'acknowledged writes that were lost',
  returned: 'deleted sessions that came back',
  backwards: 'reads that went back in time',
  early: 'sessions that expired too early',
  late: 'sessions that expired too late',
  apart: 'datacenters that do not agree in the end',
} as const;

export type Check = keyof typeof CHECKS;

export interface Violation {
  check: Check;
  text: string;
  /** Those that prove it, as they began. */
  calls: Call[];
}

export interface Verdict {
  /** How often each was looked at. */
  facts: Record<Check, number>;
  violations: Violation[];
}

export function judge(history: History): Verdict {
  const facts = { unwritten: 0, lost: 0, returned: 0, backwards: 0, early: 0, late: 0, apart: 0 };
  const verdict: Verdict = { facts, violations: [] };
  for (const calls of byKey(history.calls)) new KeyJudge(calls, history.circumstances, verdict).judge();
  return verdict;
}

function byKey(calls: readonly Call[]): Iterable<Call[]> {
  const groups = new Map<string, Call[]>();
  for (const call of calls) {
    const group = groups.get(call.key);
    if (group) group.push(call);
    else groups.set(call.key, [call]);
  }
  return groups.values();
}

/** States that a datacenter knows, and the call since when; none if it is because everything was well. */
type Known = Map<State, Call | undefined>;

class KeyJudge {
  private readonly order: TimestampOrder;
  /** Those that have begun. */
  private readonly writes: State[] = [];
  private readonly byCall = new Map<Call, State>();
  /** By datacenter. */
  private readonly known = new Map<string, Known>();
  private readonly knownAtStart = new Map<Call, Known>();

  constructor(
    private readonly calls: readonly Call[],
    private readonly circumstances: History['circumstances'],
    private readonly verdict: Verdict,
  ) {
    this.order = new TimestampOrder(circumstances.clockSkewMs);
    for (const { datacenter } of calls) this.known.set(datacenter, new Map());
  }

  /** What happens at the same time overlaps: calls begin before others end. */
  judge(): void {
    const { settledAt } = this.circumstances;
    const events = [
      ...this.calls.map((call) => ({ at: call.start, rank: 0, happen: () => this.begin(call) })),
      ...this.calls.map((call) => ({ at: call.end, rank: 1, happen: () => this.end(call) })),
      ...(settledAt === undefined ? [] : [{ at: settledAt, rank: 2, happen: () => this.settle() }]),
    ];
    for (const { happen } of events.sort((a, b) => a.at - b.at || a.rank - b.rank)) happen();
  }

  private begin(call: Call): void {
    if (call.operation === 'GET') this.knownAtStart.set(call, new Map(this.knownIn(call.datacenter)));
    else {
      const state = stateBetween(call.start, this.takenUpUntil(call), { write: call });
      this.writes.push(state);
      this.byCall.set(call, state);
    }
  }

  private end(call: Call): void {
    if (call.outcome !== 'ok') return;
    if (call.operation === 'GET') return this.read(call);
    for (const [datacenter, known] of this.known)
      if (call.operation === 'DELETE' || datacenter === call.datacenter)
        known.set(this.byCall.get(call) as State, call);
  }

  private settle(): void {
    const { healedAt = Infinity } = this.circumstances;
    for (const [call, state] of this.byCall)
      for (const known of this.known.values())
        if (call.outcome === 'ok' && call.start > healedAt && !known.has(state)) known.set(state, undefined);
  }

  /** What it found is known afterwards, and what was known before follows from that. */
  private read(call: Call): void {
    const known = this.knownAtStart.get(call) as Known;
    const found = call.value ?? call.broken;
    const seen = found === undefined ? this.readNothing(call, known) : this.readValue(call, known);
    if (!seen) return;
    const now = this.knownIn(call.datacenter);
    for (const state of known.keys()) now.delete(state);
    now.set(seen, call);
  }

  private readValue(call: Call, known: Known): State | undefined {
    this.verdict.facts.unwritten++;
    const state = this.writes.find(({ write }) => write?.value === call.value);
    if (!state?.write || call.broken !== undefined) return this.complainOfUnwritten(call);
    this.checkAge(call, state, state.write);
    for (const [each, since] of known) {
      const check = checkOf(each, since);
      this.verdict.facts[check]++;
      // What was expired for one coordinator may be alive for the next: see `lateMs`.
      if (each === state || each.mayBe.has(state)) continue;
      const against = this.order.contradiction(each, state);
      if (against)
        this.complain(check, call, `found ${told(state)} and not ${told(each)}`, since, against, each);
      else this.order.add(each, state, call);
    }
    state.until = Math.max(state.from, Math.min(state.until, call.end));
    return state;
  }

  private checkAge(call: Call, state: State, write: Call): void {
    const { ttlMs } = this.circumstances;
    if (call.start > write.start + ttlMs / 2) this.verdict.facts.early++;
    const tooLate = call.start - this.aliveUntil(write);
    if (tooLate > 0)
      this.complain('late', call, `found ${told(state)}, expired since ${Math.round(tooLate)} ms or more`);
  }

  private readNothing(call: Call, known: Known): State | undefined {
    if (known.size === 0) return undefined;
    const states = [...known.keys()];
    const reasons = [...states.filter(({ write }) => !write), ...this.writes].filter(
      (reason) =>
        mayBeAbsent(reason, call, this.circumstances) &&
        states.every((state) => state === reason || !this.order.contradiction(state, reason)),
    );
    this.countNothing(call, known, reasons);
    const [only] = reasons;
    if (!only) return this.complainOfNothing(call, known);
    if (reasons.length === 1) return this.newest(only, call, states);
    if (reasons.some((reason) => known.has(reason))) return undefined;
    const from = Math.min(...reasons.map((reason) => reason.from));
    const mayBe = new Set(reasons.filter(({ write }) => write?.operation === 'PUT'));
    return this.newest(stateBetween(from, call.end, { mayBe }), call, states);
  }

  private newest(state: State, call: Call, known: State[]): State {
    for (const each of known) if (each !== state) this.order.add(each, state, call);
    return state;
  }

  private countNothing(call: Call, known: Known, reasons: State[]): void {
    const { facts } = this.verdict;
    for (const [state, since] of known) facts[checkOf(state, since)]++;
    if (!reasons.every(({ write }) => write?.operation === 'PUT')) return;
    facts.early++;
    if (reasons.every(({ write }) => write && call.start > this.aliveUntil(write))) facts.late++;
  }

  private complainOfUnwritten(call: Call): undefined {
    const what = call.broken === undefined ? `value ${call.value}` : JSON.stringify(call.broken);
    this.complain('unwritten', call, `found ${what}`);
  }

  /** Of the newest value; what follows is not complained of again. */
  private complainOfNothing(call: Call, known: Known): State {
    const values = [...known].filter(([{ write }]) => write?.operation === 'PUT');
    const [[state, since] = [stateBetween(0, 0), undefined]] = values.sort(([a], [b]) => b.from - a.from);
    const age = call.end - (state.write?.start ?? call.end);
    const check = age > this.circumstances.ttlMs / 2 ? 'early' : checkOf(state, since);
    this.complain(check, call, `found nothing ${Math.round(age)} ms after ${told(state)}`, since, [], state);
    return stateBetween(-Infinity, call.end);
  }

  private complain(
    check: Check,
    read: Call,
    text: string,
    since?: Call,
    against: readonly State[] = [],
    state?: State,
  ): void {
    const shown = against.flatMap((each, i) => [each.write, against[i - 1]?.newer.get(each)]);
    const written = this.writes.find(({ write }) => write?.value !== undefined && write.value === read.value);
    const calls = [written?.write, state?.write, since, ...shown, read].filter((call) => call !== undefined);
    const sorted = [...new Set(calls)].sort((a, b) => a.start - b.start);
    this.verdict.violations.push({
      check,
      text: `${read.key} in ${read.datacenter}: ${text}`,
      calls: sorted,
    });
  }

  private takenUpUntil({ start, end, status }: Call): number {
    return status === 0 ? Math.max(end, start + this.circumstances.takenUpMs) : end;
  }

  /** For the coordinator that began to count last. */
  private aliveUntil(write: Call): number {
    const { ttlMs, lateMs, frozen } = this.circumstances;
    const sentUntil = this.takenUpUntil(write);
    const thawed = frozen
      .filter(({ from, to }) => from <= sentUntil && to >= write.start)
      .map(({ to }) => to);
    return Math.max(sentUntil, ...thawed) + ttlMs + lateMs;
  }

  private knownIn(datacenter: string): Known {
    return this.known.get(datacenter) as Known;
  }
}

function mayBeAbsent({ write }: State, read: Call, { ttlMs, earlyMs }: History['circumstances']): boolean {
  return write?.operation !== 'PUT' || read.end >= write.start + ttlMs - earlyMs;
}

/** What is broken if a read finds something older. */
function checkOf({ write, mayBe }: State, since: Call | undefined): Check {
  if (write ? write.operation === 'DELETE' : mayBe.size === 0) return 'returned';
  if (!since) return 'apart';
  return since.operation === 'GET' ? 'backwards' : 'lost';
}

function told({ write }: State): string {
  if (!write) return 'an absence';
  return write.operation === 'DELETE'
    ? `a DELETE of ${write.client}`
    : `value ${write.value} of ${write.client}`;
}
