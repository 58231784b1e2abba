import { UsageError } from '../command-line.js';
import type { SettingsSource } from '../config/settings-source.js';

export function depoolFileOf(source: SettingsSource, command: string): string {
  const { depool_file } = source.load().settings;
  if (depool_file === undefined) throw new UsageError(`'${command}' needs the setting depool_file`);
  return depool_file;
}
