import { parseArgs } from 'node:util';
import { EnduranceRun } from './endurance-run.js';

// Load on the service while its nodes are killed, frozen and cut off: see CONTRIBUTING.md.
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    'data-path': { type: 'string', default: 'lane' },
  },
});
const { minutes, seed, 'data-path': dataPath } = values;
const began = Date.now();
const tell = (text: string): void =>
  console.log(`${String(Math.round((Date.now() - began) / 1000)).padStart(4)} s  ${text}`);

tell(`seed ${seed}`);
const run = await EnduranceRun.start({ seed: Number(seed), dataPath, tell });
try {
  await run.endureFor(Number(minutes) * 60_000);
  console.log(run.summary().join('\n'));
} finally {
  await run.stop();
}
if (run.wrong().length === 0) console.log('nothing found');
else {
  process.exitCode = 1;
  console.log(
    `to repeat: npm run test:endurance -- --minutes ${minutes} --seed ${seed} --data-path ${dataPath}`,
  );
}
