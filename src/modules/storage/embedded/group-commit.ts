import { setImmediate as turnOfEventLoop } from 'node:timers/promises';
import { BYTES_PER_WRITE, type DiskRoom } from './disk-room.js';
import { Draft } from './draft.js';
import type { Environment } from './environment.js';
import { causeOf } from './failure.js';

/** Adds what it is to write to the draft of its group, or throws before it has added anything. */
export type Change = (draft: Draft, room: DiskRoom) => void;

interface Waiting {
  change: Change;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** Some 500 small values, whose draft takes a few ms of the event loop, or four of 8 MiB. */
const MAX_GROUP_BYTES = 512 * BYTES_PER_WRITE;

/**
 * Commits writes in groups: those that come while a commit is under way make up the next one. A group has the file to
 * itself from its first read until it is on disk, so what it reads nobody can change before it writes.
 */
export class GroupCommit {
  private readonly waiting: Waiting[] = [];
  private running: Promise<void> | undefined;

  constructor(
    private readonly environment: Environment,
    private readonly room: DiskRoom,
  ) {}

  /** Resolves when the change is on disk. Changes are made in the order in which they come. */
  write(change: Change): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ change, resolve, reject });
      this.running ??= this.commitWaiting();
    });
  }

  /** Nobody waits for the change any more: it is not made, unless it is on its way to the disk. */
  withdraw(change: Change): void {
    const place = this.waiting.findIndex((each) => each.change === change);
    if (place >= 0) this.waiting.splice(place, 1);
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    await this.running;
  }

  private async commitWaiting(): Promise<void> {
    await turnOfEventLoop(); // what comes together is committed together
    let answer = (): void => {};
    while (this.waiting.length > 0) {
      const commit = this.commitGroup();
      answer(); // while the disk is at work on the next group
      answer = await commit;
    }
    this.running = undefined;
    answer();
  }

  /** Resolves, when the group is on disk or failed, with what tells those who wait. */
  private async commitGroup(): Promise<() => void> {
    const draft = new Draft(this.environment);
    const drafted = this.draftGroup(draft);
    try {
      if (drafted.length > 0) await draft.commit();
      return () => drafted.forEach(({ resolve }) => resolve());
    } catch (error) {
      const cause = await causeOf(error);
      return () => drafted.forEach(({ reject }) => reject(cause));
    }
  }

  /** What cannot be drafted fails alone: for lack of room, perhaps. */
  private draftGroup(draft: Draft): Waiting[] {
    this.room.startGroup();
    const drafted: Waiting[] = [];
    while (this.waiting.length > 0 && this.room.takenByGroup() < MAX_GROUP_BYTES) {
      const next = this.waiting.shift() as Waiting;
      if (this.isDrafted(next, draft)) drafted.push(next);
    }
    return drafted;
  }

  private isDrafted({ change, reject }: Waiting, draft: Draft): boolean {
    try {
      change(draft, this.room);
      return true;
    } catch (error) {
      reject(error);
      return false;
    }
  }
}
