import { writeFileSync } from 'node:fs';
import type { SettingsSource } from '../config/settings-source.js';
import { depoolFileOf } from './depool-file.js';

/** Has the service that runs with these settings turn requests away, now and after each restart, until `kask pool`. */
export function run(source: SettingsSource): number {
  const file = depoolFileOf(source, 'depool');
  writeFileSync(file, '', { flag: 'a' });
  process.stdout.write(`depooled: not ready within a second, for as long as ${file} is there\n`);
  return 0;
}
