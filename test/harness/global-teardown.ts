import './source-resolution.cjs';
import { releaseCassandra } from './cassandra/run-cluster.js';

export default async function globalTeardown(): Promise<void> {
  await releaseCassandra(process.env);
}
