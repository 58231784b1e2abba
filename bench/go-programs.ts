import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { commandExists, MissingPrerequisite } from '../test/harness/prerequisites.js';
import { REPOSITORY } from '../test/harness/repository.js';

const BINARIES = path.join(REPOSITORY, '.cache/bench/bin');
/** Where the archives of go.dev are unpacked to; often not on the PATH. */
const USUAL_GO = '/usr/local/go/bin/go';

export const GO_REFERENCE = path.join(BINARIES, 'go-reference');
export const LOAD_GENERATOR = path.join(BINARIES, 'load');

const run = promisify(execFile);

/** The first time the modules are fetched, and the reference takes half a minute. */
export async function buildGoPrograms(): Promise<void> {
  await build('bench/load', LOAD_GENERATOR);
  await build('bench/go-reference', GO_REFERENCE);
}

export async function goVersion(): Promise<string> {
  const { stdout } = await run(requireGo(), ['env', 'GOVERSION']);
  return stdout.trim();
}

export function requireGo(): string {
  if (commandExists('go')) return 'go';
  if (existsSync(USUAL_GO)) return USUAL_GO;
  throw new MissingPrerequisite(
    'Go 1.25 or later is needed for the reference and the load generator: see https://go.dev/dl',
  );
}

async function build(folder: string, binary: string): Promise<void> {
  await run(requireGo(), ['build', '-trimpath', '-o', binary, '.'], { cwd: path.join(REPOSITORY, folder) });
}
