import { existsSync } from 'node:fs';
import path from 'node:path';

/** The root of the repository, wherever below it this is compiled to. */
export const REPOSITORY = rootAbove(import.meta.dirname);

function rootAbove(folder: string): string {
  return existsSync(path.join(folder, 'package-lock.json')) ? folder : rootAbove(path.dirname(folder));
}
