import { type Stats, unwatchFile, watchFile } from 'node:fs';

/** How often files are looked at, in ms. Polling follows the symbolic link that Kubernetes swaps; inotify does not. */
const LOOK_EVERY_MS = 2_000;
/** Files that belong together are written one after the other: they are read once none has changed for so long, in ms. */
const SETTLE_MS = 500;

/** Tells when one of some files has changed; an editor's or Kubernetes' way of replacing them makes no difference. */
export class FileWatch {
  private settled: NodeJS.Timeout | undefined;
  private readonly look = (now: Stats, before: Stats): void => {
    if (now.ino === before.ino && now.mtimeMs === before.mtimeMs && now.size === before.size) return;
    clearTimeout(this.settled);
    this.settled = setTimeout(this.changed, SETTLE_MS).unref();
  };

  constructor(
    private readonly files: readonly string[],
    private readonly changed: () => void,
  ) {
    for (const file of files) watchFile(file, { interval: LOOK_EVERY_MS, persistent: false }, this.look);
  }

  close(): void {
    clearTimeout(this.settled);
    for (const file of this.files) unwatchFile(file, this.look);
  }
}
