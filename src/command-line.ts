import { parseArgs, types } from 'node:util';
import { likelySpelling } from './config/likely-spelling.js';

export interface CommandLine {
  action: 'serve' | 'check-config' | 'hash-key' | 'version' | 'help';
  config: string;
}

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE = `Usage: kask [--config FILE] [--check-config | --hash-key | --version | --help]

  --config FILE   read the settings from FILE (default /etc/kask/config.yaml)
  --check-config  say what is wrong with the settings, or print them, and exit
  --hash-key      print what the log calls the session key on standard input
  --version       print the version and exit
  --help, -h      print this and exit
`;

const options = {
  config: { type: 'string', default: '/etc/kask/config.yaml' },
  'check-config': { type: 'boolean' },
  'hash-key': { type: 'boolean' },
  version: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** `argv` without node and the script. */
export function parseCommandLine(argv: string[]): CommandLine {
  const { config, ...actions } = parse(argv);
  if (config === '') throw new UsageError("Option '--config' needs the path of a file; see --help");
  const action = (['help', 'version', 'check-config', 'hash-key'] as const).find((name) => actions[name]);
  return { action: action ?? 'serve', config };
}

function parse(argv: string[]) {
  try {
    return parseArgs({ args: argv.map(withTwoDashes), options }).values;
  } catch (error) {
    if (!types.isNativeError(error)) throw error;
    throw new UsageError(`${error.message.split(/\.\s/, 1)[0]}${suggestion(error.message)}; see --help`);
  }
}

/** The service before us read `-config` too, as every Go program does. */
function withTwoDashes(argument: string): string {
  return argument.replace(/^-(?=[a-z][a-z-])/, '--');
}

function suggestion(message: string): string {
  const unknown = /^Unknown option '--(.+?)'/.exec(message)?.[1] ?? '';
  const likely = likelySpelling(unknown, Object.keys(options));
  return likely ? `; did you mean '--${likely}'?` : '';
}
