import { parseArgs, types } from 'node:util';
import { likelySpelling } from './config/likely-spelling.js';

/** What else the binary does, with the words that may follow. */
const COMMANDS = {
  pool: [],
  depool: [],
  top: [],
  doctor: [],
  schema: ['print', 'apply', 'check'],
  import: [],
} as const satisfies Record<string, readonly string[]>;

export type Command = keyof typeof COMMANDS;

/** How many replicas each is to have. */
export type Datacenters = Record<string, number>;

export interface CommandLine {
  action: 'serve' | 'check-config' | 'hash-key' | 'version' | 'help' | Command;
  /** What follows the command. */
  word?: string;
  datacenters?: Datacenters;
  /** Of import, as they were written. */
  options?: GivenOptions;
  config: string;
}

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE = `Usage: kask [COMMAND] [--config FILE]
       kask [--config FILE] [--check-config | --hash-key | --version | --help]

Without a command it serves.

  depool          have the running service sent no more requests (depool_file)
  pool            take that back
  top             show which sessions are rewritten most, by hashes (management)
  doctor          look at all that the service needs, and say how to mend it
  schema print    print the CQL that makes the table of sessions, and why so
  schema apply    make what of it is missing; what is there is never changed
  schema check    compare it with what is there, and say what to change
  import          copy sessions from a Redis, with what is left of their time

  --datacenter NAME=REPLICAS  of schema, once for each datacenter; by default
                  those of the cluster, with three replicas each if it has them

  Of import, which docs/manual/import.md explains:
  --from URL      redis://[user@]host[:port][/database], rediss://…, unix:/path;
                  the password is in KASK_IMPORT_PASSWORD, or in the file that
                  KASK_IMPORT_PASSWORD_FILE names
  --match GLOB    the names to copy (default PHPREDIS_SESSION:*)
  --strip PREFIX  take this from the beginning of names, --add PREFIX put this
                  there
  --values AS     bytes (default), mediawiki-php, mediawiki-json
  --state FILE    keep in FILE how far it came, and go on from there
  --rate N        no more than N sessions a second
  --dry-run       only read and count
  --ca, --cert, --key FILE  of TLS to Redis, in PEM

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
  datacenter: { type: 'string', multiple: true },
  from: { type: 'string' },
  match: { type: 'string' },
  strip: { type: 'string' },
  add: { type: 'string' },
  values: { type: 'string' },
  state: { type: 'string' },
  rate: { type: 'string' },
  'dry-run': { type: 'boolean' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
} as const;

export type GivenOptions = Partial<ReturnType<typeof parse>['values']>;

/** Those of one command alone. */
const OPTIONS_OF = {
  schema: ['datacenter'],
  import: ['from', 'match', 'strip', 'add', 'values', 'state', 'rate', 'dry-run', 'ca', 'cert', 'key'],
} as const;

/** `argv` without node and the script. */
export function parseCommandLine(argv: string[]): CommandLine {
  const { values, positionals } = parse(argv);
  const { config, datacenter } = values;
  if (config === '') throw new UsageError("Option '--config' needs the path of a file; see --help");
  const action = (['help', 'version', 'check-config', 'hash-key'] as const).find((name) => values[name]);
  if (action === 'help' || action === 'version') return { action, config };
  refuseStrays(values, positionals[0]);
  if (action && positionals.length > 0) throw new UsageError(`Nothing can follow '--${action}'; see --help`);
  if (action || positionals.length === 0) return { action: action ?? 'serve', config };
  const command = commandOf(positionals);
  if (command.action === 'import') return { ...command, options: values, config };
  if (!datacenter) return { ...command, config };
  return { ...command, datacenters: datacentersOf(datacenter), config };
}

function refuseStrays(given: GivenOptions, command: string | undefined): void {
  for (const [owner, options] of Object.entries(OPTIONS_OF))
    for (const option of options)
      if (given[option] !== undefined && owner !== command)
        throw new UsageError(`Option '--${option}' is of '${owner}' alone; see --help`);
}

function datacentersOf(given: readonly string[]): Datacenters {
  return Object.fromEntries(
    given.map((text) => {
      const [, name, replicas] = /^(.+)=([1-9]\d?)$/.exec(text) ?? [];
      if (!name) throw new UsageError("Option '--datacenter' needs NAME=REPLICAS, as eqiad=3; see --help");
      return [name, Number(replicas)];
    }),
  );
}

function commandOf([name = '', ...words]: string[]): { action: Command; word?: string } {
  const command = oneOf('command', name, Object.keys(COMMANDS)) as Command;
  const [word, tooMany] = words;
  const known: readonly string[] = COMMANDS[command];
  if (known.length === 0) {
    if (word !== undefined) throw new UsageError(`Nothing can follow '${command}'; see --help`);
    return { action: command };
  }
  if (word === undefined) throw new UsageError(`'${command}' needs one of ${known.join(', ')}; see --help`);
  if (tooMany !== undefined) throw new UsageError(`Nothing can follow '${command} ${word}'; see --help`);
  return { action: command, word: oneOf(`${command} command`, word, known) };
}

function oneOf(what: string, name: string, known: readonly string[]): string {
  if (known.includes(name)) return name;
  const likely = likelySpelling(name, [...known]);
  throw new UsageError(`Unknown ${what} '${name}'${likely ? `; did you mean '${likely}'?` : ''}; see --help`);
}

function parse(argv: string[]) {
  try {
    return parseArgs({ args: argv.map(withTwoDashes), options, allowPositionals: true });
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
