import { rmSync } from 'node:fs';
import type { SettingsSource } from '../config/settings-source.js';
import { depoolFileOf } from './depool-file.js';

/** Takes `kask depool` back. */
export function run(source: SettingsSource): number {
  const file = depoolFileOf(source, 'pool');
  rmSync(file, { force: true });
  process.stdout.write(`pooled: ready within a second, if nothing else is wrong; ${file} is gone\n`);
  return 0;
}
