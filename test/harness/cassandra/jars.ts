import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { requireMaven } from '../prerequisites.js';
import { REPOSITORY } from '../repository.js';

const CACHE = path.join(REPOSITORY, '.cache/cassandra-5.0.6');
const LIBRARY = path.join(CACHE, 'lib');
const INCOMING = 'incoming-';
const POM = path.join(REPOSITORY, 'test/harness/cassandra/pom.xml');
// Native code of other systems, which comes along as jars.
const FOREIGN = /osx|windows/;

/** The class path of Cassandra, fetched from Maven's repository the first time. */
export async function cassandraClassPath(): Promise<string> {
  if (!existsSync(LIBRARY)) await fetchJars();
  const jars = readdirSync(LIBRARY).filter((file) => file.endsWith('.jar') && !FOREIGN.test(file));
  return jars.map((jar) => path.join(LIBRARY, jar)).join(path.delimiter);
}

/** The library appears whole or not at all, however the download ends, and two at once do not meet. */
async function fetchJars(): Promise<void> {
  requireMaven();
  process.stderr.write('Fetching Cassandra 5.0.6 with Maven, once (66 MB) …\n');
  mkdirSync(CACHE, { recursive: true });
  const incoming = mkdtempSync(path.join(CACHE, INCOMING));
  try {
    await copyDependencies(incoming);
    renameSync(incoming, LIBRARY);
  } catch (error) {
    // Another run may have been quicker, and its library is as good as ours.
    if (!existsSync(LIBRARY)) throw error;
  } finally {
    removeIncoming(incoming);
  }
}

async function copyDependencies(folder: string): Promise<void> {
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${folder}`];
  const quiet = ['--batch-mode', '--no-transfer-progress'];
  await promisify(execFile)('mvn', [...quiet, '--file', POM, ...goal]).catch((error: unknown) => {
    const { stdout } = error as { stdout?: string };
    const reasons = (stdout ?? '').split('\n').filter((line) => line.startsWith('[ERROR]'));
    throw new Error(`Maven could not fetch Cassandra: ${reasons[0] ?? String(error)}`);
  });
}

/** Once there is a library, nobody needs what others are fetching, or left when they were interrupted. */
function removeIncoming(own: string): void {
  const others = readdirSync(CACHE).filter((file) => file.startsWith(INCOMING));
  const folders = existsSync(LIBRARY) ? others.map((file) => path.join(CACHE, file)) : [own];
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
