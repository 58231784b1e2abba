// First: the imports below it are found by it.
import './source-resolution.cjs';
import { provideCassandra } from './cassandra/run-cluster.js';

/** Jest awaits this once before the suites that need Cassandra; what it throws ends the run. */
export default async function globalSetup(): Promise<void> {
  await provideCassandra(process.env);
}
