import { judge } from '../judge/checker.js';
import { EmbeddedJudge } from '../judge/embedded-judge.js';
import { report } from '../judge/report.js';

const SEED = Number(process.env.KASK_TEST_SEED ?? Date.now() % 1_000_000);
const LOAD_MS = 15_000;

/** What `npm run test:judge -- --store embedded` does for longer. */
describe('the embedded store under clients who share sessions, killed again and again', () => {
  const judged = new EmbeddedJudge({ seed: SEED, tell: (text) => process.stdout.write(`${text}\n`) });
  afterAll(() => judged.stop());

  it(`gives them nothing that it should not, with seed ${SEED}`, async () => {
    await judged.judgeFor(LOAD_MS);
    const { findings, history } = judged.load;
    const verdict = judge(history);
    process.stdout.write(`${report(history, verdict).join('\n')}\n`);
    expect(findings.wrong()).toEqual([]);
    expect(verdict.violations).toEqual([]);
    const registers = judged.registers.report();
    process.stdout.write(`${registers.lines.join('\n')}\n`);
    expect(registers.violations).toBe(0);
    expect(judged.registers.calls.length).toBeGreaterThan(100);
    const { unwritten, lost, returned, backwards, early, late } = verdict.facts;
    expect(Math.min(unwritten, lost, returned, backwards, early, late)).toBeGreaterThan(10);
  }, 120_000);
});
