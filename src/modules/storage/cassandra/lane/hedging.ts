import type { StatementName } from '../statements.js';

/** Whose acknowledgements a statement waits for: those of this datacenter, or of every one. */
export type Reach = 'nearby' | 'everywhere';

export function reachOf(statement: StatementName): Reach {
  return statement === 'delete' ? 'everywhere' : 'nearby';
}

/** How many in a hundred answers may take longer than what another node is asked after. */
const SLOW_PERCENT = 2;
/**
 * Another node is asked after no less than this, in ms, as pauses of a collector and of our own are shorter; and after no
 * more, as after an outage its slow answers are remembered for a while.
 */
const DELAY_MS = { least: 10, most: 250 };
/** Before there are enough answers to go by, in ms; a delete waits for the other datacenter as well. */
const FIRST_DELAY_MS = { nearby: 50, everywhere: 100 };
/**
 * Each answer in time is worth so much of a hedge of its statement: of a hundred reads or writes no more than four are sent
 * twice. Deletes are one in a hundred requests, and one that waits for another datacenter may need several.
 */
const EARNED = { nearby: 0.04, everywhere: 1 };
/** Saved up at most: enough to find out that a node hangs, and for a few deletes to come past one that does elsewhere. */
const MOST_SAVED = { nearby: 10, everywhere: 30 };
/** Answers from one look at their latencies to the next, and what earlier ones then still weigh. */
const LOOK_EVERY = 100;
const FADE = 0.5;

/**
 * When a request that waits is sent to a second node as well, a hedge (Dean and Barroso, "The Tail at Scale", 2013),
 * and how often. The delay is the latency that all but a few answers stay below. Hedges are paid for by answers that
 * came in time: when all is well they stay few, and when everything is slow none is earned, so that a cluster in
 * trouble is not asked twice.
 */
export class Hedging {
  private readonly statements = new Map<StatementName, Purse>();

  /** In ms. */
  delayOf(statement: StatementName): number {
    return this.of(statement).latencies.delayMs;
  }

  /** Notes how long an answer took, in ms: from the first try on, or of a delete from the one that it answers. */
  answered(statement: StatementName, ms: number): void {
    const purse = this.of(statement);
    if (ms <= purse.latencies.delayMs) purse.saved = Math.min(purse.saved + purse.earned, purse.most);
    purse.latencies.add(ms);
  }

  /** Tells whether one more is allowed, and counts it. */
  spend(statement: StatementName): boolean {
    const purse = this.of(statement);
    if (purse.saved < 1) return false;
    purse.saved--;
    return true;
  }

  private of(statement: StatementName): Purse {
    let purse = this.statements.get(statement);
    if (!purse) {
      const reach = reachOf(statement);
      const latencies = new Latencies(FIRST_DELAY_MS[reach]);
      const most = MOST_SAVED[reach];
      this.statements.set(statement, (purse = { latencies, saved: most, most, earned: EARNED[reach] }));
    }
    return purse;
  }
}

/** Of one statement: deletes that wait for a datacenter that is gone must not cost reads their hedges. */
interface Purse {
  readonly latencies: Latencies;
  saved: number;
  readonly most: number;
  readonly earned: number;
}

const STEPS_PER_DOUBLING = 4;
/** Of the first step, in ms; the last ends past any deadline. */
const SHORTEST_MS = 2 ** -4;
const STEPS = 80;

/** How long answers took of late, in steps that grow by a fifth. */
class Latencies {
  private readonly counts = new Float64Array(STEPS);
  private sinceLook = 0;

  constructor(public delayMs: number) {}

  add(ms: number): void {
    const step = Math.floor(STEPS_PER_DOUBLING * Math.log2(ms / SHORTEST_MS));
    (this.counts[Math.min(Math.max(step, 0), STEPS - 1)] as number)++;
    if (++this.sinceLook === LOOK_EVERY) this.look();
  }

  private look(): void {
    this.sinceLook = 0;
    this.delayMs = Math.min(Math.max(this.percentile(), DELAY_MS.least), DELAY_MS.most);
    for (let step = 0; step < STEPS; step++) (this.counts[step] as number) *= FADE;
  }

  /** The end of the step that all but SLOW_PERCENT are within. */
  private percentile(): number {
    let slower = (this.counts.reduce((sum, count) => sum + count, 0) * SLOW_PERCENT) / 100;
    let step = STEPS - 1;
    while (step > 0 && (slower -= this.counts[step] as number) >= 0) step--;
    return SHORTEST_MS * 2 ** ((step + 1) / STEPS_PER_DOUBLING);
  }
}
