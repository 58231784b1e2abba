import { loadSettings, writtenSetting } from './load-settings.js';
import type { Settings } from './settings.js';

/** Where the settings came from, to be read again when the file has changed. */
export class SettingsSource {
  /** @param env of the process, which wins over the file */
  constructor(
    readonly file: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** Throws InvalidSettings with every fault. */
  load(): { settings: Settings; warnings: string[] } {
    return loadSettings(this.file, this.env);
  }

  /** One of them as it is written, whatever is wrong with the others. */
  written(path: string): unknown {
    return writtenSetting(this.file, this.env, path);
  }
}
