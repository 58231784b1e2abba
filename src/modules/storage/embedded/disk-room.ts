import { statfsSync } from 'node:fs';
import { StorageError } from '../storage-error.js';
import type { Environment } from './environment.js';

/** Left free by writes that add, for those that clear away; on a small disk an eighth of it. */
const RESERVE_BYTES = 64 * 1024 * 1024;
const RESERVE_SHARE = 8;
/** A write copies every page on its way through the trees and some of the list of free pages: 16 are ample. */
const BYTES_PER_WRITE = 16 * 4096;

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
 * pages again; so on a full disk, deletes and expiry make room for new sessions.
 */
export class DiskRoom {
  /** Bytes that writes under way may add. */
  private pending = 0;

  constructor(
    private readonly environment: Environment,
    private readonly directory: string,
  ) {}

  /** Runs writes that add values of so many bytes in all, or throws that there is no room for them. */
  forAdding<T>(valueBytes: number, write: () => Promise<T>): Promise<T> {
    return this.hold(BYTES_PER_WRITE + valueBytes, (bytes) => this.reserve(bytes), write);
  }

  /** Runs so many writes that only take away; these may use the reserve. */
  forClearing<T>(writes: number, write: () => Promise<T>): Promise<T> {
    return this.hold(BYTES_PER_WRITE * writes, () => 0, write);
  }

  private async hold<T>(
    bytes: number,
    reserve: (bytes: number) => number,
    write: () => Promise<T>,
  ): Promise<T> {
    const { bavail, bsize } = statfsSync(this.directory);
    const spare = bavail * bsize - this.pending - bytes;
    if (spare < RESERVE_BYTES && spare < reserve(bytes))
      throw new StorageError('unavailable', 'the disk of the embedded store is full');
    this.pending += bytes;
    try {
      return await write();
    } finally {
      this.pending -= bytes;
    }
  }

  /** Nothing where free pages of the file take what is added: twice over, as a large value needs adjacent ones. */
  private reserve(bytes: number): number {
    if (this.freeBytesInFile() >= 2 * (this.pending + bytes)) return 0;
    const { blocks, bsize } = statfsSync(this.directory);
    return Math.min(RESERVE_BYTES, (blocks * bsize) / RESERVE_SHARE);
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
