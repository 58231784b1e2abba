import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../command-line.js';
import type { Settings } from '../config/settings.js';
import { type ImportCounts, noCounts } from './import-counts.js';
import type { ImportPlan } from './session-import.js';

/** Of Redis' SCAN: where it begins, and what says that it is over. */
export const BEGINNING = '0';

/** Often enough, in ms: what is repeated does no harm. */
const SAVE_EVERY_MS = 1_000;

/** How far an import came. */
export interface ImportState {
  /** The Redis that gave the cursor: to another, or after a restart, it means nothing. */
  redis: string;
  /** What was asked for. */
  of: string;
  cursor: string;
  counts: ImportCounts;
}

/** Keeps the state in a file, if there is one to keep it in. */
export class ImportStateFile {
  private readonly file: string | undefined;
  private readonly of: string;
  private savedAt = performance.now();

  constructor(
    { options, hmacKey }: Pick<ImportPlan, 'options' | 'hmacKey'>,
    settings: Settings,
    private readonly redis: string,
  ) {
    const { from, match, strip, add, values, state, isDryRun } = options;
    this.file = isDryRun ? undefined : state;
    const asked = [from, match, strip, add, values, hmacKey, targetOf(settings)];
    this.of = createHash('sha256').update(JSON.stringify(asked)).digest('hex');
  }

  /** Throws the UsageError about a file that is of something else. */
  load(): { state: ImportState; isResumed: boolean; isOfAnotherRun: boolean } {
    const kept = this.file === undefined ? undefined : read(this.file);
    if (kept && kept.of !== this.of)
      throw new UsageError(
        `${this.file} is of an import with other options: give another file, or remove it`,
      );
    const isResumed = kept?.redis === this.redis;
    const fresh = { redis: this.redis, of: this.of, cursor: BEGINNING, counts: noCounts() };
    return { state: isResumed ? kept : fresh, isResumed, isOfAnotherRun: kept !== undefined && !isResumed };
  }

  saveNowAndThen(state: ImportState): void {
    if (performance.now() - this.savedAt > SAVE_EVERY_MS) this.save(state);
  }

  /** Whole or not at all, also when the machine loses power. */
  save(state: ImportState): void {
    if (this.file === undefined) return;
    this.savedAt = performance.now();
    const draft = `${this.file}.new`;
    const descriptor = openSync(draft, 'w', 0o600);
    writeSync(descriptor, `${JSON.stringify(state, undefined, 2)}\n`);
    fsyncSync(descriptor);
    closeSync(descriptor);
    renameSync(draft, this.file);
  }

  /** There is nothing to go on with. */
  remove(): void {
    if (this.file !== undefined) rmSync(this.file, { force: true });
  }
}

/** Where the sessions go: half of them must not end up in one storage, and half in another. */
function targetOf({ storage, cassandra, embedded }: Settings): string[] {
  if (storage === 'embedded') return [path.resolve(embedded.path)];
  return [cassandra.keyspace, cassandra.table, ...cassandra.hosts.toSorted()];
}

function read(file: string): ImportState | undefined {
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as Partial<ImportState> | null;
    if (state && typeof state.of === 'string' && typeof state.cursor === 'string' && state.counts)
      return { redis: '', ...state, counts: { ...noCounts(), ...state.counts } } as ImportState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new UsageError(`${file} is no state of an import: give another file, or remove it`);
}
