import { blocksOf, manualPages } from '../harness/manual-blocks.js';
import { ManualStage } from '../harness/manual-stage.js';

const BOOT_MS = 300_000;

/** `…` in a line is any text, and alone on its line any lines. */
function printed(output: string): RegExp {
  const lines = output.split('\n').map((line) => (line.trim() === '…' ? '(?:.*\n)*?.*' : inLine(line)));
  return new RegExp(`^${lines.join('\n')}$`);
}

function inLine(line: string): string {
  return line
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
}

describe('the operations manual', () => {
  let stage: ManualStage;
  beforeAll(async () => (stage = await ManualStage.open()), BOOT_MS);
  afterAll(() => stage.close());

  describe.each(manualPages())('%s', (page) => {
    const blocks = blocksOf(page);

    it('marks what is not run, and nothing else', () => {
      expect(blocks.filter(({ isRun, isMarked }) => isRun === isMarked)).toEqual([]);
    });

    const run = blocks.filter(({ isRun }) => isRun);
    if (run.length === 0) return;
    it.each(run)('$place does what it says', async ({ script, output }) => {
      const { status, output: found } = await stage.run(script);
      if (status !== 0) throw new Error(`${status}: ${found}\n${stage.log}`);
      if (output !== undefined) expect(found.trimEnd()).toMatch(printed(stage.here(output)));
    });
  });
});
