import { parseCommandLine, USAGE, UsageError } from './command-line.js';

const DEFAULT = '/etc/kask/config.yaml';

it.each<[string[], ReturnType<typeof parseCommandLine>]>([
  [[], { action: 'serve', config: DEFAULT }],
  [['--config', 'a.yaml'], { action: 'serve', config: 'a.yaml' }],
  [['--config=a=b.yaml'], { action: 'serve', config: 'a=b.yaml' }],
  [['-config', 'a.yaml'], { action: 'serve', config: 'a.yaml' }],
  [['-config=a.yaml'], { action: 'serve', config: 'a.yaml' }],
  [['--config', 'a.yaml', '--config', 'b.yaml'], { action: 'serve', config: 'b.yaml' }],
  [['--check-config'], { action: 'check-config', config: DEFAULT }],
  [['-check-config', '--config', 'a.yaml'], { action: 'check-config', config: 'a.yaml' }],
  [['--version'], { action: 'version', config: DEFAULT }],
  [['--hash-key', '--config', 'a.yaml'], { action: 'hash-key', config: 'a.yaml' }],
  [['-version'], { action: 'version', config: DEFAULT }],
  [['--version', '--check-config'], { action: 'version', config: DEFAULT }],
  [['--version', '-h'], { action: 'help', config: DEFAULT }],
  [['--help'], { action: 'help', config: DEFAULT }],
  [['depool', '--config', 'a.yaml'], { action: 'depool', config: 'a.yaml' }],
  [['--config', 'a.yaml', 'pool'], { action: 'pool', config: 'a.yaml' }],
  [['pool', '--help'], { action: 'help', config: DEFAULT }],
  [['schema', 'check', '--config', 'a.yaml'], { action: 'schema', word: 'check', config: 'a.yaml' }],
  [
    ['schema', 'print', '--datacenter', 'eqiad=3', '--datacenter=a=b=5'],
    { action: 'schema', word: 'print', datacenters: { eqiad: 3, 'a=b': 5 }, config: DEFAULT },
  ],
  [
    ['import', '--from', 'redis://localhost', '--dry-run'],
    {
      action: 'import',
      options: expect.objectContaining({ from: 'redis://localhost', 'dry-run': true }),
      config: DEFAULT,
    },
  ],
  [['-help'], { action: 'help', config: DEFAULT }],
])('%j', (argv, expected) => {
  expect(parseCommandLine(argv)).toEqual(expected);
});

it.each([
  [['--confg', 'a.yaml'], "Unknown option '--confg'; did you mean '--config'?; see --help"],
  [['--port', '80'], "Unknown option '--port'; see --help"],
  [['-x'], "Unknown option '-x'; see --help"],
  [['a.yaml'], "Unknown command 'a.yaml'; see --help"],
  [['--', 'a.yaml'], "Unknown command 'a.yaml'; see --help"],
  [['--check-config', 'now'], "Nothing can follow '--check-config'; see --help"],
  [['--datacenter', 'eqiad=3'], "Option '--datacenter' is of 'schema' alone; see --help"],
  [['depol'], "Unknown command 'depol'; did you mean 'depool'?; see --help"],
  [['pool', 'now'], "Nothing can follow 'pool'; see --help"],
  [['schema'], "'schema' needs one of print, apply, check; see --help"],
  [['schema', 'aply'], "Unknown schema command 'aply'; did you mean 'apply'?; see --help"],
  [['schema', 'apply', 'now'], "Nothing can follow 'schema apply'; see --help"],
  [['import', 'now'], "Nothing can follow 'import'; see --help"],
  [['--from', 'redis://localhost'], "Option '--from' is of 'import' alone; see --help"],
  [['schema', 'check', '--dry-run'], "Option '--dry-run' is of 'import' alone; see --help"],
  [['pool', '--datacenter', 'eqiad=3'], "Option '--datacenter' is of 'schema' alone; see --help"],
  ...['eqiad', 'eqiad=0', '=3', 'eqiad=three'].map((datacenter): [string[], string] => [
    ['schema', 'print', '--datacenter', datacenter],
    "Option '--datacenter' needs NAME=REPLICAS, as eqiad=3; see --help",
  ]),
  [['--config'], "Option '--config <value>' argument missing; see --help"],
  [['--config', '--version'], "Option '--config' argument is ambiguous; see --help"],
  [['--config='], "Option '--config' needs the path of a file; see --help"],
  [['--version=2'], "Option '--version' does not take an argument; see --help"],
])('%j is refused in one line', (argv, message) => {
  expect(() => parseCommandLine(argv)).toThrow(new UsageError(message));
});

it('is told in the usage, in lines that a terminal holds', () => {
  for (const option of [
    'depool',
    'pool',
    'doctor',
    'schema print',
    'schema apply',
    'schema check',
    '--datacenter NAME=REPLICAS',
    'import',
    ...[
      '--from URL',
      '--match GLOB',
      '--strip PREFIX',
      '--add PREFIX',
      '--values AS',
      '--state FILE',
      '--rate N',
    ],
    ...['--dry-run', '--ca, --cert, --key FILE', 'KASK_IMPORT_PASSWORD', 'KASK_IMPORT_PASSWORD_FILE'],
    '--config FILE',
    '--check-config',
    '--hash-key',
    '--version',
    '--help',
    DEFAULT,
  ])
    expect(USAGE).toContain(option);
  expect(Math.max(...USAGE.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});
