import { type CommandLine, UsageError } from '../command-line.js';
import { readText } from '../config/text-file.js';
import type { Settings } from '../config/settings.js';
import type { SettingsSource } from '../config/settings-source.js';
import { EX_NOPERM, EX_OK, EX_TEMPFAIL, EX_UNAVAILABLE, FAULTS } from '../exit-codes.js';
import { fail, ok, warn } from '../finding.js';
import { describeCounts, leftOut, seen } from '../import/import-counts.js';
import { type ImportOptions, importOptionsOf } from '../import/import-options.js';
import { ImportProgress } from '../import/import-progress.js';
import { type ImportState, ImportStateFile } from '../import/import-state.js';
import { openStorage } from '../import/import-storage.js';
import { describeRedis } from '../import/redis-address.js';
import { RedisAway, RedisConnection, type RedisCredentials } from '../import/redis-connection.js';
import { RedisRefusal } from '../import/redis-replies.js';
import { runIdOf, shareDone } from '../import/redis-sessions.js';
import { SessionImport, StorageAway } from '../import/session-import.js';
import { StorageError } from '../modules/storage/storage-error.js';
import type { StopSignals } from '../stop-signals.js';
import { Terminal } from '../terminal.js';

const GO_ON = 'give the same command again';
const RIGHTS =
  'see KASK_IMPORT_PASSWORD in kask --help; the user needs +auth +ping +info +select +scan +getrange +pttl and ~*';

/** Copies the sessions of a Redis into the storage of these settings. */
export async function run(
  source: SettingsSource,
  { options: given = {} }: CommandLine,
  signals: StopSignals,
): Promise<number> {
  const options = importOptionsOf(given);
  const { settings } = source.load();
  const terminal = new Terminal();
  try {
    return await importFrom(options, settings, terminal, signals);
  } catch (error) {
    return tellFault(error, options, terminal);
  }
}

async function importFrom(
  options: ImportOptions,
  settings: Settings,
  terminal: Terminal,
  signals: StopSignals,
): Promise<number> {
  const plan = { options, settings, hmacKey: secretOf('KASK_IMPORT_HMAC_KEY') ?? '' };
  terminal.progress(`asking ${describeRedis(options.from)} …`);
  const redis = await RedisConnection.open(options.from, credentialsOf(options));
  const file = new ImportStateFile(plan, settings, await runIdOf(redis));
  const state = beginning(file, terminal);
  terminal.progress('opening the storage …');
  const storage = options.isDryRun ? undefined : await openStorage(settings);
  const sessions = new SessionImport(redis, storage?.keep ?? nowhere, plan);
  void signals.first.then(() => sessions.stop());
  const progress = new ImportProgress(terminal, state);
  let isAtEnd = false;
  try {
    isAtEnd = await sessions.run(state, () => {
      file.saveNowAndThen(state);
      progress.tell(state);
    });
  } finally {
    if (isAtEnd) file.remove();
    else file.save(state);
    if (isAtEnd || seen(state.counts) > 0)
      for (const line of describeCounts(state.counts, options.isDryRun)) terminal.line(line);
    await storage?.close();
  }
  return tellEnd(isAtEnd, sessions, state, progress, terminal);
}

/** Of a dry run. */
function nowhere(): Promise<void> {
  return Promise.resolve();
}

function beginning(file: ImportStateFile, terminal: Terminal): ImportState {
  const { state, isResumed, isOfAnotherRun } = file.load();
  if (isResumed) terminal.tell(ok('state', `going on at ${Math.floor(shareDone(state.cursor) * 100)} %`));
  if (isOfAnotherRun)
    terminal.tell(
      warn('state', 'this Redis was started again, or is another', 'nothing to do: it begins anew'),
    );
  return state;
}

function tellEnd(
  isAtEnd: boolean,
  { failure }: SessionImport,
  state: ImportState,
  progress: ImportProgress,
  terminal: Terminal,
): number {
  if (failure !== undefined) terminal.tell(fail('failed', failure, 'mend that, and import again'));
  const speed = `${progress.seconds.toFixed(1)} s, ${progress.perSecond(state).toLocaleString('en')} a second`;
  if (!isAtEnd) {
    terminal.tell(warn('import', `told to stop after ${speed}`, GO_ON));
    return EX_TEMPFAIL;
  }
  const missed = leftOut(state.counts);
  if (missed > 0) terminal.tell(warn('import', `${speed}; ${missed} left out`, 'see docs/manual/import.md'));
  else terminal.tell(ok('import', speed));
  return missed > 0 ? FAULTS : EX_OK;
}

function tellFault(error: unknown, { from }: ImportOptions, terminal: Terminal): number {
  const redis = `redis ${describeRedis(from)}`;
  if (error instanceof RedisRefusal) {
    const isAboutRights = ['NOAUTH', 'WRONGPASS', 'NOPERM'].includes(error.code);
    terminal.tell(fail(redis, error.message, isAboutRights ? RIGHTS : GO_ON));
    return isAboutRights ? EX_NOPERM : EX_UNAVAILABLE;
  }
  if (error instanceof RedisAway) terminal.tell(fail(redis, error.message, `${GO_ON} when it is back`));
  else if (error instanceof StorageAway || error instanceof StorageError)
    terminal.tell(fail('storage', error.message, `see kask doctor, then ${GO_ON}`));
  else throw error;
  return EX_UNAVAILABLE;
}

function credentialsOf({ ca, cert, key }: ImportOptions): RedisCredentials {
  return {
    password: secretOf('KASK_IMPORT_PASSWORD'),
    ca: ca && contentOf(ca, '--ca'),
    cert: cert && contentOf(cert, '--cert'),
    key: key && contentOf(key, '--key'),
  };
}

/** From a variable, or the file that another names. */
function secretOf(variable: string): string | undefined {
  const { [variable]: value, [`${variable}_FILE`]: file } = process.env;
  if (value && file) throw new UsageError(`${variable} and ${variable}_FILE are both set`);
  return file ? contentOf(file, `${variable}_FILE`).replace(/\r?\n$/, '') : value || undefined;
}

function contentOf(file: string, where: string): string {
  const text = readText(file);
  if (typeof text !== 'string') throw new UsageError(`${where} names a file that ${text.why}`);
  return text;
}
