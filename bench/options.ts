import { parseArgs } from 'node:util';
import { SCENARIO_NAMES } from './scenario-names.js';

/** A row for our service from elsewhere: another build of it, or another Node.js to run it with. */
export interface NamedPath {
  name: string;
  path: string;
}

export interface Options {
  only: readonly string[];
  peers: readonly string[];
  others: NamedPath[];
  nodes: NamedPath[];
  /** Releases of Node.js to fetch. */
  nodeReleases: number[];
  rounds?: number;
  seconds?: number;
  quick: boolean;
  long: boolean;
  write: boolean;
}

/** What is wrong with the command line, for whoever wrote it. */
export class UsageError extends Error {}

export const USAGE = `npm run bench -- [options]
  --only NAMES         scenarios, separated by commas: ${SCENARIO_NAMES.join(', ')}
  --peers NAMES        only these peers beside the Go reference, separated by commas
  --rounds N           rounds of each scenario
  --seconds N          length of a slice
  --quick              two minutes in all
  --long               also with 10^6 keys in Cassandra
  --other NAME=FILE    another build of the service, by its dist/main.js; may be repeated
  --node NAME=FILE     the service on another Node.js binary; may be repeated
  --node RELEASE       the same with a release that is fetched, such as 24
  --write              write the results into docs/performance.md`;

export function parseOptions(args: string[]): Options {
  const given = parse(args);
  const nodes = given.node ?? [];
  return {
    only: names(given.only, SCENARIO_NAMES),
    peers: given.peers?.split(',') ?? [],
    others: (given.other ?? []).map(namedPath),
    nodes: nodes.filter((text) => !isRelease(text)).map(namedPath),
    nodeReleases: nodes.filter(isRelease).map(Number),
    rounds: positive('rounds', given.rounds, Number.isInteger),
    seconds: positive('seconds', given.seconds, Number.isFinite),
    quick: given.quick ?? false,
    long: given.long ?? false,
    write: given.write ?? false,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        only: { type: 'string' },
        peers: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        quick: { type: 'boolean' },
        long: { type: 'boolean' },
        write: { type: 'boolean' },
        other: { type: 'string', multiple: true },
        node: { type: 'string', multiple: true },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function names(text: string | undefined, allowed: readonly string[]): readonly string[] {
  if (text === undefined) return allowed;
  const chosen = text.split(',');
  const unknown = chosen.filter((name) => !allowed.includes(name));
  if (unknown.length > 0) throw new UsageError(`no such scenario: ${unknown.join(', ')}`);
  return chosen;
}

function isRelease(text: string): boolean {
  return /^\d+$/.test(text);
}

function namedPath(text: string): NamedPath {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (!name || !path) throw new UsageError(`found ${text}; expected NAME=FILE`);
  return { name, path };
}

function positive(
  name: string,
  text: string | undefined,
  isAllowed: (value: number) => boolean,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!isAllowed(value) || value <= 0) throw new UsageError(`--${name} ${text} is no number above 0`);
  return value;
}
