import { statfsSync } from 'node:fs';
import { constants } from 'node:os';

const { EDQUOT, EIO, ENOSPC } = constants.errno;
/** With less than this free, in bytes, it is the lack of room that a write failed on. */
const FULL_BELOW = 1024 * 1024;

/** What LMDB or the file system could not do, in an operator's words. */
export function describeFailure(error: unknown, directory: string): string {
  if (!(error instanceof Error)) return 'unknown error';
  return isDiskFull(error, directory) ? `the disk is full (${error.message})` : error.message;
}

/** A commit that fails rejects with an error of no content, and hands the cause over as a promise that rejects. */
export async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error && 'commitError' in error)) return error;
  try {
    return await error.commitError;
  } catch (cause) {
    return cause;
  }
}

/** After this LMDB refuses every operation, or never ends it, until the file is opened by a new process. */
export function isBeyondUse(error: unknown): boolean {
  return error instanceof Error && error.message.includes('MDB_PANIC');
}

/** LMDB reports a write that was cut short for lack of room as an input/output error. */
function isDiskFull(error: Error, directory: string): boolean {
  const code: unknown = 'errno' in error ? error.errno : 'code' in error ? error.code : undefined;
  const errno = Math.abs(Number(code));
  return errno === ENOSPC || errno === EDQUOT || (errno === EIO && freeBytes(directory) < FULL_BELOW);
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}
