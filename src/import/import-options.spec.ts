import { type GivenOptions, UsageError } from '../command-line.js';
import { importOptionsOf } from './import-options.js';

const FROM = 'redis://localhost';
const TLS = 'rediss://localhost';

it('are those of sessions of PHP unless told otherwise', () => {
  expect(importOptionsOf({ from: FROM })).toMatchObject({
    match: 'PHPREDIS_SESSION:*',
    strip: '',
    add: '',
    values: 'bytes',
    isDryRun: false,
  });
});

it.each<[GivenOptions, string]>([
  [{}, "'import' needs '--from redis://host[:port][/database]'; see --help"],
  [
    { from: 'redis://:secret@localhost' },
    "No password in '--from': every user of the machine sees it there; see --help",
  ],
  [{ from: 'http://localhost' }, "'import' needs '--from redis://host[:port][/database]'; see --help"],
  [{ from: FROM, strip: 'x' }, "'--match' has to begin with what '--strip' takes away; see --help"],
  [{ from: FROM, rate: 'fast' }, "Option '--rate' needs a whole number from 1 to 9999999; see --help"],
  [{ from: FROM, state: '' }, "Option '--state' needs the path of a file; see --help"],
  [
    { from: FROM, values: 'json' },
    "Option '--values' needs one of bytes, mediawiki-php, mediawiki-json; see --help",
  ],
  [{ from: FROM, ca: 'ca.pem' }, "'--ca', '--cert' and '--key' are for rediss:// alone; see --help"],
  [{ from: TLS, cert: 'a' }, "'--cert' and '--key' belong together; see --help"],
])('%j are refused', (given, message) => {
  expect(() => importOptionsOf(given)).toThrow(new UsageError(message));
});
