import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { REPOSITORY } from '../harness/repository.js';
import type { Outcome } from './outcome.js';
import { report } from './report.js';
import { play, type Scenario } from './scenario.js';
import { SCENARIOS } from './scenarios.js';
import { Stage } from './stage.js';

const REPORT = path.join(REPOSITORY, '.cache/faults-report.md');

// Two datacenters under load to which things happen, one after the other: see CONTRIBUTING.md.
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    rate: { type: 'string', default: '60' },
  },
});
const { only, seed, rate } = values;
const names = only?.split(',') ?? SCENARIOS.map(({ name }) => name);
const chosen = names.map((name) => {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (!found)
    throw new Error(`no scenario ${name}; there are ${SCENARIOS.map((each) => each.name).join(', ')}`);
  return found;
});
const began = Date.now();
const tell = (text: string): void =>
  console.log(`${String(Math.round((Date.now() - began) / 1000)).padStart(4)} s  ${text}`);

tell(`seed ${seed}`);
const outcomes: Outcome[] = [];
const stage = await Stage.open({ seed: Number(seed), perSecond: Number(rate), tell });
try {
  for (const scenario of chosen) {
    outcomes.push(await play(withLatency(scenario), stage));
    // After each: a run takes long, and may be interrupted.
    writeFileSync(REPORT, `${report(outcomes)}\n`);
  }
} finally {
  await stage.close();
  console.log(report(outcomes));
}
if (outcomes.some(({ wrong }) => wrong.length > 0)) {
  process.exitCode = 1;
  console.log(`to repeat: npm run test:faults -- --only ${names.join(',')} --seed ${seed} --rate ${rate}`);
}

function withLatency(scenario: Scenario): Scenario {
  const { expects, latency } = scenario;
  return latency ? { ...scenario, expects: [...expects, latency] } : scenario;
}
