import type { Outcome } from '../faults/outcome.js';
import { report } from '../faults/report.js';
import { play } from '../faults/scenario.js';
import { MATTER_MOST, SCENARIOS } from '../faults/scenarios.js';
import { Stage } from '../faults/stage.js';

jest.setTimeout(300_000);

/** What `npm run test:faults` plays more of. */
describe('two datacenters under load', () => {
  const outcomes: Outcome[] = [];
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open({ seed: 1, perSecond: 50, tell: () => undefined });
  });

  afterAll(async () => {
    await stage?.close();
    process.stdout.write(`${report(outcomes)}\n`);
  });

  it.each(SCENARIOS.filter(({ name }) => MATTER_MOST.includes(name)))('$title', async (scenario) => {
    const outcome = await play(scenario, stage);
    outcomes.push(outcome);
    expect([...outcome.wrong, ...outcome.said]).toEqual([]);
  });
});
