import { setTimeout as sleep } from 'node:timers/promises';
import { Findings } from '../endurance/findings.js';
import { everyRequestIsAnswered, type Expectation, failuresAreOfTheContract } from './expectations.js';
import { Outcome } from './outcome.js';
import type { Stage } from './stage.js';

/** Something that happens to the nodes or to the service while clients go on. */
export interface Scenario {
  /** For `--only`. */
  name: string;
  title: string;
  prepare?(stage: Stage): Promise<void>;
  /** Resolves when it has happened. */
  inflict(stage: Stage): Promise<void>;
  /** How long it then lasts, in ms. */
  lastsMs: number;
  /** Resolves when the cause is gone. */
  mend?(stage: Stage): Promise<void>;
  /** Looks for what clients cannot see, once all is well. */
  verify?(stage: Stage): Promise<void>;
  expects: Expectation[];
  /** What depends on the machine as well: for `npm run test:faults` alone. */
  latency?: Expectation;
}

const HEALTHY_MS = 10_000;
/** So long without a failure is recovered, in ms. */
const QUIET_MS = 5_000;
/** For which recovery is awaited, in ms. */
const PATIENCE_MS = 60_000;
/** Lines of the services that are shown with what went wrong. */
const MOST_SAID = 30;
const ALWAYS = [everyRequestIsAnswered, failuresAreOfTheContract];

export async function play(scenario: Scenario, stage: Stage): Promise<Outcome> {
  stage.options.tell(scenario.title);
  await stage.untilWell();
  stage.findings = new Findings();
  await scenario.prepare?.(stage);
  stage.asked.length = 0;
  const began = performance.now();
  const since = Date.now();
  await sleep(HEALTHY_MS);
  const cause = performance.now();
  const mending = await endure(scenario, stage);
  const gone = performance.now();
  await untilQuiet(stage, gone);
  const ended = performance.now();
  await scenario.verify?.(stage);
  const outcome = new Outcome(scenario.title, stage.asked, { began, cause, mending, gone, ended });
  const wrong = [...ALWAYS, ...scenario.expects].flatMap((expectation) => expectation(outcome));
  outcome.wrong.push(...new Set([...wrong, ...stage.findings.wrong()]));
  if (outcome.wrong.length > 0) outcome.said.push(...stage.complaints(since).slice(-MOST_SAID));
  return outcome;
}

/** Resolves with the moment from which on it was mended. */
async function endure(scenario: Scenario, stage: Stage): Promise<number> {
  try {
    await scenario.inflict(stage);
    await sleep(scenario.lastsMs);
    return performance.now();
  } finally {
    await scenario.mend?.(stage);
  }
}

async function untilQuiet({ asked }: Stage, gone: number): Promise<void> {
  const lastFailure = (): number => asked.findLast(({ failure }) => failure !== undefined)?.at ?? 0;
  while (performance.now() < Math.min(Math.max(gone, lastFailure()) + QUIET_MS, gone + PATIENCE_MS))
    await sleep(200);
}
