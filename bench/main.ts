import { MissingPrerequisite } from '../test/harness/prerequisites.js';
import { Bench } from './bench.js';
import { parseOptions, USAGE, UsageError } from './options.js';

// Measures the service beside a Go service of the same contract and others: see CONTRIBUTING.md.
try {
  const bench = await Bench.prepare(parseOptions(process.argv.slice(2)));
  try {
    await bench.run();
  } finally {
    await bench.stop();
  }
} catch (error) {
  process.exitCode = 1;
  if (error instanceof UsageError) console.error(`${error.message}\n\n${USAGE}`);
  else if (error instanceof MissingPrerequisite) console.error(error.message);
  else throw error;
}
