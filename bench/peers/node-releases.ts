import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY } from '../../test/harness/repository.js';
import type { NamedPath } from '../options.js';

/** The npm packages that carry the binaries of Node.js. */
const PACKAGE = `node-${process.platform}-${process.arch}`;

/** Node.js of that release, such as 24 or `24.21.0`, fetched the first time. */
export async function fetchNode(release: number | string): Promise<NamedPath> {
  const prefix = path.join(REPOSITORY, `.cache/node-${release}`);
  const binary = path.join(prefix, 'node_modules', PACKAGE, 'bin/node');
  if (!existsSync(binary)) await install(prefix, `${PACKAGE}@${release}`);
  return { name: `kask-node-${release}`, path: binary };
}

async function install(prefix: string, wanted: string): Promise<void> {
  const quiet = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
  await promisify(execFile)('npm', ['install', '--prefix', prefix, ...quiet, wanted]);
}
