import { MissingPrerequisite } from '../test/harness/prerequisites.js';
import { Bench } from './bench.js';
import { type Options, parseOptions, USAGE, UsageError } from './options.js';

// Measures the service beside a Go service of the same contract and others: see CONTRIBUTING.md.
const args = process.argv.slice(2);
if (args.includes('--help')) console.log(USAGE);
else await measure(args);

async function measure(given: string[]): Promise<void> {
  try {
    await runBench(parseOptions(given));
  } catch (error) {
    process.exitCode = 1;
    if (error instanceof UsageError) console.error(`${error.message}\n\n${USAGE}`);
    else if (error instanceof MissingPrerequisite) console.error(error.message);
    else throw error;
  }
}

async function runBench(options: Options): Promise<void> {
  const bench = await Bench.prepare(options);
  try {
    await bench.run();
  } finally {
    await bench.stop();
  }
}
