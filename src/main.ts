#!/usr/bin/env -S node --max-semi-space-size=4
// The flag keeps small what V8 takes for new objects; docs/operations.md has the figures, and how to override it.
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { buildInfo } from './build-info.js';
import { type Command, type CommandLine, parseCommandLine, USAGE, UsageError } from './command-line.js';
import { describeSettings, InvalidSettings } from './config/load-settings.js';
import type { Settings } from './config/settings.js';
import { SettingsSource } from './config/settings-source.js';
import { EX_CONFIG, EX_SOFTWARE, EX_USAGE } from './exit-codes.js';
import type { LogOutputs } from './log-outputs.js';
import { hashKey } from './modules/sessions/log-key.js';
import { placeOf } from './problems/place-of.js';
import type { Listening } from './serve.js';
import { StopSignals } from './stop-signals.js';

/** What a module of a command has. */
interface CommandModule {
  /** Resolves with the exit code. */
  run(source: SettingsSource, line: CommandLine, signals: StopSignals): Promise<number> | number;
}

/** Loaded only when asked for: the service has no use for them, nor they for the framework. */
const COMMANDS: Record<Command, () => Promise<CommandModule>> = {
  pool: () => import('./commands/pool.js'),
  depool: () => import('./commands/depool.js'),
  top: () => import('./commands/top.js'),
  doctor: () => import('./commands/doctor.js'),
  schema: () => import('./commands/schema.js'),
  import: () => import('./commands/import.js'),
};

/** Not an argument: those every user of a machine can read. */
const STANDARD_INPUT = 0;

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  process.exitCode = report(error);
}
// Whatever may still be open, the work is done.
process.exit();

async function run(argv: string[]): Promise<number> {
  const signals = new StopSignals();
  const line = parseCommandLine(argv);
  const { action, config } = line;
  if (action === 'help') return print(USAGE);
  if (action === 'version') return print(`kask ${buildInfo.version} (${buildInfo.go_version})`);
  const source = new SettingsSource(config, process.env);
  if (isCommand(action)) return (await COMMANDS[action]()).run(source, line, signals);
  const { settings, warnings } = source.load();
  if (action === 'check-config')
    return print([...warnings.map((each) => `# warning: ${each}`), describeSettings(settings)].join('\n'));
  if (action === 'hash-key') return print(hashKey(settings, readFileSync(STANDARD_INPUT)));
  // They bring half of the framework, which commands do without.
  const { createLogger } = await import('./logging.js');
  const { LogOutputs } = await import('./log-outputs.js');
  const outputs = new LogOutputs(settings);
  const logger = createLogger(settings, outputs);
  outputs.tellTo(logger);
  for (const warning of warnings) logger.warn(warning);
  process.on('uncaughtException', (error) => {
    logger.fatal({ reason: placeOf(error) }, 'this should never happen');
    void outputs.end().finally(() => process.exit(EX_SOFTWARE));
  });
  try {
    return await serve(settings, source, logger, outputs, signals);
  } finally {
    await outputs.end();
  }
}

async function serve(
  settings: Settings,
  source: SettingsSource,
  logger: Logger,
  outputs: LogOutputs,
  signals: StopSignals,
): Promise<number> {
  const listening = start(settings, source, logger, outputs);
  const early = await Promise.race([signals.first, listening.then(() => undefined)]);
  if (!early) return (await listening).leaveOn(signals);
  logger.info({ signal: early }, 'told to stop before it listened');
  return 0;
}

function isCommand(action: string): action is Command {
  return action in COMMANDS;
}

/** Loaded only now: a mistake in the configuration is told without waiting for the framework. */
async function start(
  settings: Settings,
  source: SettingsSource,
  logger: Logger,
  outputs: LogOutputs,
): Promise<Listening> {
  const { createApplication } = await import('./application.js');
  const { listen } = await import('./serve.js');
  return listen(await createApplication(settings, source, logger, outputs), settings, logger);
}

function print(text: string): number {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  return 0;
}

function report(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`kask: ${message}\n`);
  if (error instanceof UsageError) return EX_USAGE;
  return error instanceof InvalidSettings ? EX_CONFIG : EX_SOFTWARE;
}
