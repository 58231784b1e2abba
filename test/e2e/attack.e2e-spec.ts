import { Fuzz } from '../attack/fuzz/fuzz.js';

const SEED = Number(process.env.KASK_TEST_SEED ?? Date.now() % 1_000_000);
const REQUESTS = 5_000;

/** What `npm run test:attack -- --only fuzz` does for longer. */
describe('under requests that nobody should send', () => {
  it(`the service stays up, in order, quiet, and as it was, with seed ${SEED}`, async () => {
    const tell = (text: string): void => void process.stdout.write(`${text}\n`);
    const { told, wrong } = await Fuzz.run({ seed: SEED, requests: REQUESTS, from: 0, tell });
    process.stdout.write(`${told.join('\n\n')}\n`);
    expect(wrong).toEqual([]);
  }, 400_000);
});
