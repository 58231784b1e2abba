import type { Outcome } from '../faults/outcome.js';
import { DATACENTERS } from '../faults/asked.js';
import { raceToCreate, toldOf, wrongAfter } from '../faults/race-to-create.js';
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

  it.each([1, 2, 3, 4, 5])('has one winner of 100 who create the same session: %i', async (round) => {
    await stage.untilWell();
    const urls = DATACENTERS.map((each) => stage.services[each].next().url(`race:${round}`));
    const race = await raceToCreate(urls, 100);
    process.stdout.write(`${toldOf(race)}\n`);
    expect(await wrongAfter(race, urls)).toEqual([]);
  });
});
