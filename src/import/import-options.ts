import { type GivenOptions, UsageError } from '../command-line.js';
import { hasPassword, parseRedisAddress, type RedisAddress } from './redis-address.js';

/** What phpredis stores sessions under, unless its settings say otherwise. */
const PHP_SESSIONS = 'PHPREDIS_SESSION:*';

/** What becomes of values. */
const VALUES = ['bytes', 'mediawiki-php', 'mediawiki-json'] as const;

export interface ImportOptions {
  from: RedisAddress;
  /** Glob of Redis' names. */
  match: string;
  /** What names begin with in Redis, and not in Kask. */
  strip: string;
  /** What names begin with in Kask, and not in Redis. */
  add: string;
  values: (typeof VALUES)[number];
  /** PEM files, for TLS to Redis. */
  ca?: string;
  cert?: string;
  key?: string;
  /** The file that tells how far the import came. */
  state?: string;
  /** Sessions a second at most. */
  rate?: number;
  isDryRun: boolean;
}

/** Throws the UsageError about what is wrong with them. */
export function importOptionsOf(given: GivenOptions): ImportOptions {
  const { match = PHP_SESSIONS, strip = '', add = '', state, rate, ca, cert, key } = given;
  const from = redisOf(given.from);
  if (!match.startsWith(strip)) throw usage("'--match' has to begin with what '--strip' takes away");
  if ((cert === undefined) !== (key === undefined)) throw usage("'--cert' and '--key' belong together");
  if (!from.isTls && (ca ?? cert) !== undefined)
    throw usage("'--ca', '--cert' and '--key' are for rediss:// alone");
  if (state === '') throw usage("Option '--state' needs the path of a file");
  if (rate !== undefined && !/^[1-9]\d{0,6}$/.test(rate))
    throw usage("Option '--rate' needs a whole number from 1 to 9999999");
  return {
    ...{ from, match, strip, add, values: valuesOf(given.values), ca, cert, key, state },
    rate: rate === undefined ? undefined : Number(rate),
    isDryRun: given['dry-run'] ?? false,
  };
}

function redisOf(url = ''): RedisAddress {
  if (hasPassword(url)) throw usage("No password in '--from': every user of the machine sees it there");
  const address = parseRedisAddress(url);
  if (!address) throw usage("'import' needs '--from redis://host[:port][/database]'");
  return address;
}

function valuesOf(text = 'bytes'): ImportOptions['values'] {
  const found = VALUES.find((each) => each === text);
  if (!found) throw usage(`Option '--values' needs one of ${VALUES.join(', ')}`);
  return found;
}

function usage(fault: string): UsageError {
  return new UsageError(`${fault}; see --help`);
}
