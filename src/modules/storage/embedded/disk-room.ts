import { statfsSync } from 'node:fs';
import { StorageError } from '../storage-error.js';
import type { Environment } from './environment.js';

/** Left free by writes that add, for those that clear away; on a small disk an eighth of it. */
const RESERVE_BYTES = 64 * 1024 * 1024;
const RESERVE_SHARE = 8;
/** A write copies every page on its way through the trees and some of the list of free pages: 16 are ample. */
export const BYTES_PER_WRITE = 16 * 4096;

interface TreePages {
  treeBranchPageCount: number;
  treeLeafPageCount: number;
  overflowPages: number;
}

interface FileStats {
  pageSize: number;
  lastPageNumber: number;
  root: TreePages;
  free: TreePages;
}

/**
 * Lets writes through only while the disk can take what they may add to the file: LMDB does not bear a write that
 * fails for lack of room, and can bring the process down with it. The file never shrinks, but LMDB uses its free
 * pages again; so on a full disk, deletes and expiry make room for new sessions. One group is written at a time, and
 * the disk is looked at once for each.
 */
export class DiskRoom {
  /** Bytes that were free when this group first asked. */
  private free: number | undefined;
  /** Bytes that its writes may add. */
  private taken = 0;

  constructor(
    private readonly environment: Environment,
    private readonly directory: string,
  ) {}

  /** What the group before took is gone from the disk by now, or is not to be written. */
  startGroup(): void {
    this.free = undefined;
    this.taken = 0;
  }

  takenByGroup(): number {
    return this.taken;
  }

  /** For a value of so many bytes; throws if there is none. */
  takeForAdding(valueBytes: number): void {
    this.take(BYTES_PER_WRITE + valueBytes, (bytes) => this.reserve(bytes));
  }

  /** For so many writes that only take away; these may use the reserve. */
  takeForClearing(writes: number): void {
    this.take(BYTES_PER_WRITE * writes, () => 0);
  }

  private take(bytes: number, reserve: (bytes: number) => number): void {
    this.free ??= this.freeBytesOfDisk();
    const spare = this.free - this.taken - bytes;
    if (spare < RESERVE_BYTES && spare < reserve(bytes))
      throw new StorageError('unavailable', 'the disk of the embedded store is full');
    this.taken += bytes;
  }

  /** Nothing where free pages of the file take what is added: twice over, as a large value needs adjacent ones. */
  private reserve(bytes: number): number {
    if (this.freeBytesInFile() >= 2 * (this.taken + bytes)) return 0;
    const { blocks, bsize } = statfsSync(this.directory);
    return Math.min(RESERVE_BYTES, (blocks * bsize) / RESERVE_SHARE);
  }

  private freeBytesOfDisk(): number {
    const { bavail, bsize } = statfsSync(this.directory);
    return bavail * bsize;
  }

  private freeBytesInFile(): number {
    const { sessions, expiries } = this.environment;
    const stats = sessions.getStats() as FileStats & TreePages;
    const trees = [stats, stats.root, stats.free, expiries.getStats() as TreePages];
    const used = trees.reduce((sum, tree) => sum + pagesOf(tree), 0);
    return (stats.lastPageNumber - used) * stats.pageSize;
  }
}

function pagesOf({ treeBranchPageCount, treeLeafPageCount, overflowPages }: TreePages): number {
  return treeBranchPageCount + treeLeafPageCount + overflowPages;
}
