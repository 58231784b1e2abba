import { UsageError } from '../command-line.js';
import type { SettingsSource } from '../config/settings-source.js';

/** Other settings may be at fault: who depools in a hurry need not have the service's secrets at hand. */
export function depoolFileOf(source: SettingsSource, command: string): string {
  const file = source.written('depool_file');
  if (typeof file !== 'string' || file === '')
    throw new UsageError(`'${command}' needs the setting depool_file`);
  return file;
}
