import { accessSync, constants, lstatSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Settings } from './settings.js';
import { showText, type Findings, type Written } from './written.js';

/** Looks, and makes nothing: the store makes its directory when it opens it. */
export function checkEmbeddedDirectory(
  { storage, embedded }: Settings,
  written: Map<string, Written>,
  { faults }: Findings,
): void {
  if (storage !== 'embedded' || !embedded.path) return;
  const why = refusal(embedded.path);
  if (!why) return;
  const where = written.get('embedded.path')?.where ?? 'embedded.path';
  const allowed = 'path of a directory on a local disk that this process may write to, or may make';
  faults.push(`${where}: found ${showText(embedded.path)}, which ${why}; allowed: ${allowed}`);
}

function refusal(path: string): string | undefined {
  try {
    const directory = resolve(path);
    const nearest = nearestExisting(directory);
    const which = nearest === directory ? 'is' : 'is below';
    if (!statSync(nearest).isDirectory()) return `${which} something other than a directory`;
    // /proc, /sys and their like have no blocks. There root may write to directories that take no file, and Node never
    // comes back from making a directory with its parents below /proc.
    if (statfsSync(nearest).blocks === 0) return `${which} a directory on no disk`;
    accessSync(nearest, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return `cannot be written to (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`;
  }
}

/** A link to nothing exists here: no directory can be made in its place. */
function nearestExisting(path: string): string {
  try {
    lstatSync(path);
    return path;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['ENOENT', 'ENOTDIR'].includes(code)) throw error;
    return nearestExisting(dirname(path));
  }
}
