import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import type { Manifest } from './helm.js';
import { requirePython } from './prerequisites.js';
import { REPOSITORY } from './repository.js';

/** The package of PyPI that carries the schemas of many releases of Kubernetes. */
const PACKAGE = 'kubernetes-validate==1.37.0';
const DIRECTORY = path.join(REPOSITORY, '.cache/kubernetes-schemas');
const VALIDATE = path.join(DIRECTORY, 'bin/kubernetes-validate');

/** Fetches them the first time. */
export async function fetchKubernetesSchemas(): Promise<void> {
  if (existsSync(VALIDATE)) return;
  requirePython();
  const run = promisify(execFile);
  await run('python3', ['-m', 'venv', DIRECTORY]);
  await run(path.join(DIRECTORY, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', PACKAGE]);
}

/** What a release of Kubernetes would refuse; what it knows by an extension alone is passed over. */
export function schemaFaults(manifests: Manifest[], kubernetes: string): string[] {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-manifests-'));
  const file = path.join(directory, 'manifests.yaml');
  writeFileSync(file, manifests.map((each) => `---\n${stringify(each, { version: '1.1' })}`).join(''));
  const args = ['--strict', '--quiet', '--no-warn', '--kubernetes-version', kubernetes, file];
  const { status, stdout, stderr, error } = spawnSync(VALIDATE, args, { encoding: 'utf8' });
  rmSync(directory, { recursive: true });
  if (error) throw error;
  const lines = `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
  return status === 0 ? [] : lines;
}
