import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { describeSettings, InvalidSettings, loadSettings } from './load-settings.js';
import { CassandraSettings, EmbeddedSettings, Settings } from './settings.js';

const SECRET = 'hunter2-do-not-show';

let directory: string;
beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'kask-settings-'))));
afterAll(() => rmSync(directory, { recursive: true }));

function written(content: string | Buffer, name = 'config.yaml'): string {
  const file = join(directory, name);
  writeFileSync(file, content);
  return file;
}

const load = (yaml: string, env: NodeJS.ProcessEnv = {}) => loadSettings(written(yaml), env);

function refusal(yaml: string | Buffer, env: NodeJS.ProcessEnv = {}): InvalidSettings {
  try {
    loadSettings(written(yaml), env);
  } catch (error) {
    if (error instanceof InvalidSettings) return error;
    throw error;
  }
  throw new Error('the settings were accepted');
}

const faults = (yaml: string | Buffer, env: NodeJS.ProcessEnv = {}) => refusal(yaml, env).faults;
const warnings = (yaml: string, env: NodeJS.ProcessEnv = {}) => load(yaml, env).warnings;

describe('a file', () => {
  it('of the service before us loads as it is', () => {
    const { settings, warnings } = load(`
base_uri: /sessions/v1
cassandra:
  authentication:
    password: cassandra
    username: cassandra
  hosts:
  - sessionstore02.prep.example.org
  keyspace: sessions
  table: values
default_ttl: 86400
listen_address: 0.0.0.0
listen_port: 8080
openapi_spec: /go/src/example.org/kask/openapi.yaml
service_name: sessions
`);
    expect(settings).toEqual(
      Object.assign(new Settings(), {
        service_name: 'sessions',
        base_uri: '/sessions/v1/',
        listen_address: '0.0.0.0',
        openapi_spec: '/go/src/example.org/kask/openapi.yaml',
        cassandra: Object.assign(new CassandraSettings(), {
          hosts: ['sessionstore02.prep.example.org'],
          keyspace: 'sessions',
          authentication: { username: 'cassandra', password: 'cassandra' },
        }),
      }),
    );
    expect(warnings).toEqual([
      expect.stringContaining('WHOEVER REACHES THE PORT CAN READ'),
      'openapi_spec: "/go/src/example.org/kask/openapi.yaml" cannot be read (ENOENT); ours is served instead',
    ]);
  });

  it.each(['config/embedded.yaml', 'config/cassandra.yaml'])('%s of ours has nothing to say', (file) => {
    expect(loadSettings(file, {}).warnings).toEqual([]);
  });

  it('config/embedded.yaml is what npm start serves', () => {
    expect(loadSettings('config/embedded.yaml', {}).settings).toMatchObject({
      storage: 'embedded',
      embedded: { path: './data' },
      base_uri: '/sessions/v1/',
      listen_address: '127.0.0.1',
      listen_port: 8080,
      shutdown_delay_ms: 0,
    });
  });

  it.each(['', '# nothing but a comment\n', '---\n', '{}', 'null', 'cassandra:\nembedded: ~\ntls: {}\n'])(
    'with nothing in it (%j) gives the defaults',
    (yaml) => {
      const { settings, warnings } = load(yaml);
      expect(settings).toEqual(new Settings());
      expect(settings.cassandra).toBeInstanceOf(CassandraSettings);
      expect(settings.embedded).toBeInstanceOf(EmbeddedSettings);
      expect('tls' in settings || 'tls' in settings.cassandra || 'authentication' in settings.cassandra).toBe(
        false,
      );
      expect(warnings).toEqual([]);
    },
  );

  it('may start with a byte order mark', () => {
    expect(load('\uFEFFlisten_port: 81').settings.listen_port).toBe(81);
  });

  it('gives settings that nobody can change', () => {
    const { settings } = load('cassandra: {authentication: {username: a, password: b}}');
    const parts = [
      settings,
      settings.cassandra,
      settings.cassandra.hosts,
      settings.cassandra.authentication,
      settings.embedded,
    ];
    expect(parts.every((part) => Object.isFrozen(part))).toBe(true);
  });

  it('does not change what the next one starts from', () => {
    load('cassandra: {port: 1}\nembedded: {path: elsewhere}');
    expect(load('').settings).toEqual(new Settings());
  });
});

describe('a file that cannot be read at all', () => {
  it.each([
    ['a: 1\nlisten_port: 1\nlisten_port: 2\n', 'line 3, column 1: not valid YAML: duplicate key'],
    ['\tlisten_port: 1\n', 'line 1, column 1: not valid YAML: tab as indent'],
    ['listen_port: 1\n---\nlisten_port: 2\n', 'line 2, column 1: not valid YAML: multiple docs'],
    ['service_name: a: b\n', 'line 1, column 15: not valid YAML: block as implicit key'],
  ])('%j is refused with the place', (yaml, fault) => {
    expect(faults(yaml)).toContain(`${join(directory, 'config.yaml')}, ${fault}`);
  });

  it('says why', () => {
    expect(() => loadSettings(join(directory, 'none.yaml'), {})).toThrow(
      /none\.yaml: cannot be read \(ENOENT\)/,
    );
    expect(() => loadSettings(directory, {})).toThrow(/: cannot be read \(EISDIR\)/);
    expect(faults(Buffer.from([0x61, 0x3a, 0x20, 0xff]))).toEqual([
      `${join(directory, 'config.yaml')}: is not UTF-8`,
    ]);
  });
});

describe('shapes', () => {
  it.each([
    ['- a', 'the file: found a list; allowed: a section with service_name, base_uri, '],
    ['kask', 'the file: found a single value; allowed: a section with '],
    ['cassandra: 5', 'cassandra: found a single value; allowed: a section with hosts, port, '],
    [
      'cassandra: {tls: [a]}',
      'cassandra.tls: found a list; allowed: a section with ca, cert, key, server_names',
    ],
    ['cassandra: {hosts: localhost}', 'cassandra.hosts: found "localhost"; allowed: list of '],
    [
      'cassandra: {hosts: [[a]]}',
      'cassandra.hosts: found what is neither a text nor a list of texts; allowed: list of ',
    ],
    ['service_name: [a, b]', 'service_name: found ["a", "b"]; allowed: text'],
    ['listen_port: {a: 1}', 'listen_port: found what is neither a text nor a list of texts; allowed: '],
    ['cassandra: {local_dc: {a: 1}}', 'cassandra.local_dc: found what is neither '],
    ['service_name: *nowhere', 'service_name: found what is neither a text nor a list of texts'],
    [
      'a: &a {port: 1}\ncassandra: {<<: *a}',
      'cassandra.<<: found a merge key; allowed: settings that are written out',
    ],
  ])('%s is refused', (yaml, fault) => {
    const found = faults(yaml);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(fault);
  });

  it('follows aliases', () => {
    const { settings } = load('service_name: &name sessions\ncassandra: {keyspace: *name}');
    expect(settings.cassandra.keyspace).toBe('sessions');
  });

  it('is not harmed by aliases that contain themselves, or that grow without end', () => {
    const { settings, warnings } = load('cassandra: &c\n  tls: *c\n  port: 1\n');
    expect(settings.cassandra.port).toBe(1);
    expect(warnings).toHaveLength(2);
    const levels = Array.from(
      { length: 30 },
      (_, i) => `b${i + 1}: &b${i + 1} [${Array(10).fill(`*b${i}`).join(', ')}]`,
    );
    expect(faults(`b0: &b0 x\n${levels.join('\n')}\ncassandra: {hosts: *b30}`)).toEqual([
      expect.stringContaining('cassandra.hosts: found what is neither'),
    ]);
  });

  it('is not harmed by names that JavaScript knows', () => {
    const { settings, warnings } = load(
      '__proto__: {service_name: evil, polluted: 1}\nconstructor: 1\ncassandra: {__proto__: {port: 1}}',
    );
    expect(settings).toEqual(new Settings());
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect(warnings).toHaveLength(3);
  });
});

describe('text', () => {
  it.each([
    ['service_name: on', 'on'],
    ['service_name: 007', '007'],
    ['service_name: 1e3', '1e3'],
    ['service_name: true', 'true'],
    ['service_name: "null"', 'null'],
    ['service_name: null', 'kask'],
    ['service_name: ~', 'kask'],
    ['service_name:', 'kask'],
    ['service_name: !!str 12', '12'],
    ['service_name: |-\n  sessions', 'sessions'],
    ['%YAML 1.1\n---\nservice_name: 0o7', '0o7'],
  ])('%j is taken by its source', (yaml, name) => {
    expect(load(yaml).settings.service_name).toBe(name);
  });

  it('of a password stays as it is written', () => {
    const { settings } = load('cassandra: {authentication: {username: 1, password: 0012}}');
    expect(settings.cassandra.authentication).toEqual({ username: '1', password: '0012' });
  });
});

describe('whole numbers', () => {
  it.each([
    ['listen_port', '0', '65535', '-1', '65536'],
    ['default_ttl', '0', '630720000', '-1', '630720001'],
    ['max_value_bytes', '1', '104857600', '0', '104857601'],
    ['request_timeout_ms', '100', '600000', '99', '600001'],
    ['shutdown_delay_ms', '0', '600000', '-1', '600001'],
    ['shutdown_timeout_ms', '0', '600000', '-1', '600001'],
    ['cassandra.port', '1', '65535', '0', '65536'],
    ['cassandra.query_timeout_ms', '1', '600000', '0', '600001'],
    ['cassandra.connect_timeout_ms', '1', '600000', '0', '600001'],
    ['cassandra.clock_limit_ms', '0', '600000', '-1', '600001'],
  ])('%s is from %s to %s', (path, least, most, below, above) => {
    const yaml = (value: string) => `${path.replace('.', ': {')}: ${value}${path.includes('.') ? '}' : ''}`;
    for (const value of [least, most])
      expect(parse(describeSettings(load(yaml(value)).settings))).toMatchObject(parse(yaml(value)));
    for (const value of [below, above]) {
      expect(faults(yaml(value))[0]).toMatch(
        new RegExp(`^${path}: found ${value}; allowed: a whole number .*from ${least} to ${most}$`),
      );
    }
  });

  it.each([
    ['"8080"', '"8080" in quotes'],
    ["'8080'", '"8080" in quotes'],
    ['abc', '"abc"'],
    ['8080.0', '"8080.0"'],
    ['0x1F90', '"0x1F90"'],
    ['1e3', '"1e3"'],
    ['8_080', '"8_080"'],
    ['010', '"010"'],
    ['+80', '"+80"'],
    ['.inf', '".inf"'],
    ['true', '"true"'],
    ['""', '""'],
    ['99999999999999999999', '99999999999999999999'],
  ])('%s is none', (value, found) => {
    expect(faults(`listen_port: ${value}`)).toEqual([
      `listen_port: found ${found}; allowed: a whole number from 0 to 65535`,
    ]);
  });
});

describe('true and false', () => {
  it.each([
    ['true', true],
    ["'true'", true],
    ['false', false],
    ['~', false],
  ])('%s is taken', (written, taken) => expect(load(`docs_page: ${written}`).settings.docs_page).toBe(taken));

  it.each(['yes', 'True', '1', '""'])('%s is neither', (written) => {
    expect(faults(`docs_page: ${written}`)).toEqual([
      expect.stringMatching(/^docs_page: found .*; allowed: true or false$/),
    ]);
  });
});

describe('docs_page', () => {
  const management = (address: string) =>
    `docs_page: true\nmanagement: {listen_address: ${address}, listen_port: 1}`;
  const client = 'authorization: {clients: {"spiffe://a/b": {may: [read]}}}';

  it.each(['/', '/docs', '/docs/v1/'])(
    'is refused beside base_uri %s, where its path would be a key',
    (uri) => {
      expect(faults(`base_uri: ${uri}\ndocs_page: true`)).toEqual([
        expect.stringMatching(/^docs_page: found true with base_uri .*; allowed: /),
      ]);
      expect(load(`base_uri: ${uri}`).settings.docs_page).toBe(false);
    },
  );

  it.each([
    [management('127.0.0.1'), false],
    [management('0.0.0.0'), true],
    [`${management('0.0.0.0')}\n${client}`, false],
    [management('0.0.0.0').replace('true', 'false'), false],
  ])('is warned about where it opens sessions to others by the management port: %s', (yaml, isOpen) => {
    const told = warnings(yaml).filter((warning) => warning.startsWith('docs_page'));
    expect(told).toEqual(isOpen ? [expect.stringContaining('WHOEVER REACHES THE MANAGEMENT PORT')] : []);
  });
});

describe('max_ttl', () => {
  it.each([
    ['{}', 864_000],
    ['default_ttl: 31536000', 31_536_000],
    ['default_ttl: 0', 864_000],
    ['max_ttl: 86400', 86_400],
  ])('with %s is %i', (yaml, seconds) => expect(load(yaml).settings.max_ttl).toBe(seconds));

  it('is not less than default_ttl', () => {
    expect(faults('max_ttl: 86399')).toEqual([
      'max_ttl: found 86399; allowed: no less than default_ttl, 86400',
    ]);
  });
});

describe('base_uri', () => {
  it.each([
    ['/sessions/v1', '/sessions/v1/'],
    ['sessions/v1/', '/sessions/v1/'],
    ['v1', '/v1/'],
    ['/', '/'],
    ['/a.b/~c_d-e/', '/a.b/~c_d-e/'],
    ['/healthz2/', '/healthz2/'],
    ['/v1/metrics', '/v1/metrics/'],
  ])('%s becomes %s', (given, taken) => {
    expect(load(`base_uri: ${given}`).settings.base_uri).toBe(taken);
  });

  it.each([
    '""',
    '//',
    '/a//b',
    '/a/../b',
    '..',
    '/./',
    '/a?b',
    '/a#b',
    '/a%20b',
    '/a b',
    '/:key',
    '/*',
    '/ä',
    'https://host/v1',
    '/healthz',
    'metrics/',
    '/openapi/v1',
    '"/a\\n/"',
  ])('%s is refused', (given) => {
    expect(faults(`base_uri: ${given}`)).toEqual([
      expect.stringMatching(/^base_uri: found .*; allowed: path of /),
    ]);
  });
});

describe('other settings', () => {
  it.each(['DEBUG', 'Info', 'warning', 'ERROR', 'fatal'])('log_level may be %s', (level) => {
    expect(load(`log_level: ${level}`).settings.log_level).toBe(level.toLowerCase());
  });

  it.each(['log_level: warn', 'storage: redis', 'log_level: ""', 'storage: [cassandra]'])(
    '%s is refused',
    (yaml) => {
      expect(faults(yaml)).toEqual([expect.stringContaining('allowed: one of ')]);
    },
  );

  it.each(['0.0.0.0', '"::"', '"::1"', 'kask.example.org'])('listen_address may be %s', (address) => {
    expect(load(`listen_address: ${address}`).settings.listen_address).toBe(address.replaceAll('"', ''));
  });

  it('takes an IPv6 address to listen on in brackets, as the service before us wanted it', () => {
    expect(load('listen_address: "[::1]"').settings.listen_address).toBe('::1');
  });

  it.each(['""', 'localhost:8080', '"[localhost]"', '300.1.1.1', 'a..b', '-a', 'a b'])(
    'listen_address may not be %s',
    (address) => {
      expect(faults(`listen_address: ${address}`)).toHaveLength(1);
    },
  );

  it('takes nodes by name and by address of either kind', () => {
    const { settings } = load(
      'cassandra: {hosts: [a, b-1.example.org., cassandra_1, 10.0.0.1, "2001:db8::1"]}',
    );
    expect(settings.cassandra.hosts).toEqual([
      'a',
      'b-1.example.org.',
      'cassandra_1',
      '10.0.0.1',
      '2001:db8::1',
    ]);
  });

  it('says where the port goes that stands with a node', () => {
    expect(faults('cassandra: {hosts: ["a:9042", b]}')).toEqual([
      'cassandra.hosts: found ["a:9042", "b"]; allowed: list of one or more host names or IP addresses, without ports (`cassandra.port` is for all)',
    ]);
  });

  it.each(['[]', '[""]', '["[::1]:9042"]', '[~]', '[a, "b c"]'])('cassandra.hosts may not be %s', (hosts) => {
    expect(faults(`cassandra: {hosts: ${hosts}}`)).toHaveLength(1);
  });

  it.each(['', 'a-b', 'a.b', 'x'.repeat(49), 'ä', 'a"b', 'a b'])(
    'keyspace and table may not be %j',
    (name) => {
      expect(faults(`cassandra: {keyspace: '${name}', table: '${name}'}`)).toHaveLength(2);
    },
  );

  it('keeps the case of keyspace and table', () => {
    expect(load('cassandra: {keyspace: Sessions, table: 1values}').settings.cassandra).toMatchObject({
      keyspace: 'Sessions',
      table: '1values',
    });
  });
});

describe('a request that may outlast a shutdown', () => {
  it.each([
    ['request_timeout_ms: 20000\ncassandra: {query_timeout_ms: 20001}', 'request_timeout_ms: 20000', '20000'],
    ['shutdown_timeout_ms: 2000', 'request_timeout_ms: 2500', '2000'],
    [
      'shutdown_timeout_ms: 1000\ncassandra: {query_timeout_ms: 2000}',
      'cassandra.query_timeout_ms: 2000',
      '1000',
    ],
  ])('is a warning: %s', (yaml, query, patience) => {
    expect(warnings(yaml)).toEqual([
      `${query} is not less than shutdown_timeout_ms, ${patience}: a shutdown may cut requests that wait for the storage`,
    ]);
  });

  it('is named by its variable', () => {
    expect(
      warnings('', { KASK_REQUEST_TIMEOUT_MS: '30000', KASK_CASSANDRA_QUERY_TIMEOUT_MS: '20000' }),
    ).toEqual([expect.stringMatching(/^KASK_CASSANDRA_QUERY_TIMEOUT_MS: 20000 is not less /)]);
  });

  it.each([
    'cassandra: {query_timeout_ms: 600000}',
    'request_timeout_ms: 20000\ncassandra: {query_timeout_ms: 19999}',
    'storage: embedded\nembedded: {path: /tmp}\nshutdown_timeout_ms: 2501\ncassandra: {query_timeout_ms: 1}',
  ])('is none here: %s', (yaml) => {
    expect(warnings(yaml)).toEqual([]);
  });
});

describe('sections that may be absent', () => {
  it.each([
    'tls: {cert: null, key: null}',
    'tls: {cert: "", key: ""}',
    'tls: {cert: "", key: "", client_ca: "", client_crl: "", client_auth: "", min_version: ""}',
    'tls:',
    'cassandra: {authentication: {username: "", password: ""}, tls: {ca: "", cert: ~, key: "", server_names: []}}',
    'cassandra: {local_dc: ""}\nopenapi_spec: ""',
  ])('%s counts as absent', (yaml) => {
    expect(load(yaml)).toEqual({ settings: new Settings(), warnings: [] });
  });

  it.each([
    ['tls: {cert: /c, key: ""}', 'tls.key'],
    ['tls: {key: /k}', 'tls.cert'],
    ['cassandra: {authentication: {username: kask}}', 'cassandra.authentication.password'],
    ['cassandra: {authentication: {password: kask}}', 'cassandra.authentication.username'],
    ['cassandra: {tls: {ca: /ca, cert: /c}}', 'cassandra.tls.key'],
    ['cassandra: {tls: {ca: /ca, key: /k}}', 'cassandra.tls.cert'],
    ['cassandra: {tls: {cert: /c, key: /k}}', 'cassandra.tls.ca'],
    ['cassandra: {tls: {server_names: [a]}}', 'cassandra.tls.ca'],
  ])('%s lacks %s', (yaml, path) => {
    expect(faults(yaml)).toContainEqual(
      expect.stringMatching(new RegExp(`^${path}: found nothing; allowed: `)),
    );
  });

  it.each(['"*.example.org"', 'node-1.example.org', 'localhost'])('server_names may hold %s', (name) => {
    expect(
      load(`storage: embedded\ncassandra: {tls: {ca: /ca, server_names: [${name}]}}`).settings.cassandra.tls
        ?.server_names,
    ).toHaveLength(1);
  });

  it.each(['"*"', '"*.org"', '"a.*.org"', '"*a.example.org"', '10.0.0.1', '""'])(
    'server_names may not hold %s',
    (name) => {
      expect(faults(`storage: embedded\ncassandra: {tls: {ca: /ca, server_names: [${name}]}}`)).toHaveLength(
        1,
      );
    },
  );
});

describe('who may speak', () => {
  const client = 'authorization: {clients: {"spiffe://a/b": {may: [read]}}}';

  it.each([
    ['listen_address: 127.9.9.9', false],
    ['listen_address: "::1"', false],
    ['listen_address: localhost', false],
    ['{listen_address: 0.0.0.0, listen_socket: /run/kask.sock}', false],
    [`listen_address: 0.0.0.0\n${client}`, false],
    ['listen_address: 0.0.0.0', true],
    ['{listen_address: "::", authentication: none}', true],
  ])('is warned about where anybody may and may come from elsewhere: %s', (yaml, isOpen) =>
    expect(warnings(yaml)).toEqual(isOpen ? [expect.stringContaining('WHOEVER REACHES THE PORT')] : []),
  );

  it('is written as identities, what each may do, and to which keys', () => {
    const { settings } = load(`
authorization:
  proxies: [spiffe://prod/ns/mesh/sa/gateway, envoy.example]
  clients:
    spiffe://prod/ns/mw/sa/web:
      may: [read, write, delete]
      keys: ['enwiki:MWSession:']
    spiffe://prod/ns/monitoring/*: { may: [metrics] }
`);
    expect(settings.authorization).toEqual({
      proxies: ['spiffe://prod/ns/mesh/sa/gateway', 'envoy.example'],
      clients: {
        'spiffe://prod/ns/mw/sa/web': { may: ['read', 'write', 'delete'], keys: ['enwiki:MWSession:'] },
        'spiffe://prod/ns/monitoring/*': { may: ['metrics'] },
      },
    });
    expect(describeSettings(settings)).toContain('spiffe://prod/ns/monitoring/*:\n      may:\n');
  });

  it.each([
    ['authentication: {}', 'authentication: found what is neither a text nor a list of texts'],
    [
      'authentication: required',
      'authorization.clients: found nothing; needed with authentication: required',
    ],
    [`authentication: none\n${client}`, 'authentication: found none; allowed beside authorization.clients: '],
    [
      'authorization: {clients: [a]}',
      'authorization.clients: found no section; allowed: sections, each under ',
    ],
    [
      'authorization: {clients: {a: }}',
      'authorization.clients.a.may: found nothing; allowed: list of one or',
    ],
    [
      'authorization: {clients: {a: {may: [rule]}}}',
      'authorization.clients.a.may: found ["rule"]; allowed: ',
    ],
    ['authorization: {clients: {a: {may: []}}}', 'authorization.clients.a.may: found nothing; allowed: '],
    ...['[]', '""', '', '~', '{}'].map((keys) => [
      `authorization: {clients: {a: {may: [read], keys: ${keys}}}}`,
      'authorization.clients.a.keys: found ',
    ]),
    ...['key', 'Keys', 'prefixes', '<<'].map((name) => [
      `authorization: {clients: {a: {may: [read], ${name}: [a]}}}`,
      `authorization.clients.a: found a name, "${name}"; allowed: may, keys`,
    ]),
    ...[
      '"*"',
      '"*.example"',
      'spiffe://*',
      'spiffe://a*',
      'spiffe://a/*/b',
      'spiffe://a/b**',
      '"a b"',
      '""',
    ].map((name) => [
      `authorization: {clients: {${name}: {may: [read]}}}`,
      'authorization.clients: found a name, ',
    ]),
    [
      'authorization: {clients: {a: {may: [read]}}, proxies: ["spiffe://a/*"]}',
      'authorization.proxies: found ',
    ],
    [
      '{listen_socket: /run/kask.sock, tls: {cert: /no, key: /no}}',
      'listen_socket: found beside tls; allowed: ',
    ],
    ['management: {listen_port: 1}', 'management.listen_address: found nothing; allowed: host name or IP'],
  ])('is refused when it is written as %s', (yaml, fault) =>
    expect(faults(yaml).filter((each) => !each.includes('PEM'))).toEqual([
      expect.stringContaining(String(fault)),
    ]),
  );
});

describe('namespaces', () => {
  it('are kinds of sessions by patterns of their keys, in the order of the file', () => {
    const { settings, warnings } = load(`
namespaces:
  sessions: { keys: ['*:MWSession:*'] }
  locks: { keys: ['*:lock'], write_bytes_per_second: 1000, atomic: true }
  constructor: { keys: ['*:x', '*:y'] }
  other: { write_bytes_per_second: 5 }
`);
    expect(warnings).toEqual([]);
    expect(Object.entries(settings.namespaces ?? {})).toEqual([
      ['sessions', { keys: ['*:MWSession:*'], write_bytes_per_second: 0, atomic: false }],
      ['locks', { keys: ['*:lock'], write_bytes_per_second: 1000, atomic: true }],
      ['constructor', { keys: ['*:x', '*:y'], write_bytes_per_second: 0, atomic: false }],
      ['other', { write_bytes_per_second: 5, atomic: false }],
    ]);
  });

  it.each([
    ['{locks: {write_bytes_per_second: 5}}', 'namespaces.locks.keys: found nothing; allowed: list'],
    ['{locks: }', 'namespaces.locks.keys: found nothing; allowed: list'],
    ['{locks: {keys: []}}', 'namespaces.locks.keys: found nothing; allowed: list'],
    ['{locks: {keys: "*"}}', 'namespaces.locks.keys: found "*"; allowed: list'],
    ['{locks: {keys: [""]}}', 'namespaces.locks.keys: found [""]; allowed: list'],
    ['{other: {keys: ["*"]}}', 'namespaces.other.keys: found a list; allowed: nothing'],
    [
      '{other: {budget: 5}}',
      'namespaces.other: found a name, "budget"; allowed: keys, write_bytes_per_second, atomic',
    ],
    ['{other: {atomic: true}}', 'namespaces.other.atomic: found true; allowed: false'],
    ['{a: {keys: [a], atomic: yes}}', 'namespaces.a.atomic: found "yes"; allowed: true or false'],
    ['{"1st": {keys: [a]}}', 'namespaces: found a name, "1st"; allowed: a letter'],
    ['{"a b": {keys: [a]}}', 'namespaces: found a name, "a b"; allowed: a letter'],
    [
      '{a: {keys: [a], write_bytes_per_second: -1}}',
      'namespaces.a.write_bytes_per_second: found -1; allowed: a whole number of bytes',
    ],
  ])('are refused with one fault: %s', (yaml, fault) => {
    expect(faults(`namespaces: ${yaml}`)).toEqual([expect.stringContaining(fault)]);
  });

  it('are 32 at most, beside other', () => {
    const named = (count: number) => Array.from({ length: count }, (_, n) => `n${n}: {keys: [a]}`).join(', ');
    expect(load(`namespaces: {${named(32)}, other: {}}`).warnings).toEqual([]);
    expect(faults(`namespaces: {${named(33)}}`)).toEqual([
      'namespaces: found 33 of them; allowed: 32, beside other',
    ]);
  });
});

describe('unknown names', () => {
  it.each([
    ['listenPort: 1', 'listenPort: unknown setting, ignored; did you mean listen_port?'],
    ['keyspace: a', 'keyspace: unknown setting, ignored; did you mean cassandra.keyspace?'],
    ['ttl: 1', 'ttl: unknown setting, ignored; did you mean default_ttl?'],
    ['TLS: {}', 'TLS: unknown setting, ignored; did you mean tls?'],
    ['cassandra.port: 1', 'cassandra.port: unknown setting, ignored; did you mean cassandra.port?'],
    ['authorisation: {}', 'authorisation: unknown setting, ignored; did you mean authorization?'],
    ['cassandra: {host: a}', 'cassandra.host: unknown setting, ignored; did you mean cassandra.hosts?'],
    [
      'cassandra: {listen_port: 1}',
      'cassandra.listen_port: unknown setting, ignored; did you mean listen_port?',
    ],
    [
      'cassandra: {authentication: {pasword: a}}',
      'cassandra.authentication.pasword: unknown setting, ignored; did you mean cassandra.authentication.password?',
    ],
    ['replicas: 8', 'replicas: unknown setting, ignored'],
    ['? [a, b]\n: 1', '(a name that is not shown): unknown setting, ignored'],
    ['"a\\nb": 1', '(a name that is not shown): unknown setting, ignored'],
  ])('%s', (yaml, warning) => {
    expect(warnings(yaml)).toEqual([warning]);
  });

  it('stand beside the faults that they may explain', () => {
    const { message, warnings } = refusal('cassandra: {authentication: {username: a, pasword: b}}');
    expect(warnings).toHaveLength(1);
    expect(message).toMatch(
      /authentication\.password: found nothing[^]*did you mean cassandra\.authentication\.password\?/,
    );
  });
});

describe('the environment', () => {
  it('wins over the file', () => {
    const { settings, warnings } = load('listen_port: 1\nbase_uri: /a/\ncassandra: {hosts: [a], port: abc}', {
      KASK_LISTEN_PORT: '0',
      KASK_BASE_URI: 'b',
      KASK_CASSANDRA_HOSTS: 'x, y.example.org,::1',
      KASK_CASSANDRA_PORT: '9142',
      KASK_CASSANDRA_AUTHENTICATION_USERNAME: 'kask',
      KASK_CASSANDRA_AUTHENTICATION_PASSWORD: '007',
      KASK_STORAGE: 'Embedded',
      PATH: '/bin',
    });
    expect(settings).toMatchObject({
      listen_port: 0,
      base_uri: '/b/',
      storage: 'embedded',
      cassandra: {
        hosts: ['x', 'y.example.org', '::1'],
        port: 9142,
        authentication: { username: 'kask', password: '007' },
      },
    });
    expect(warnings).toEqual([]);
  });

  it('counts as not set when it is empty', () => {
    const env = {
      KASK_LISTEN_PORT: '',
      KASK_CASSANDRA_AUTHENTICATION_PASSWORD_FILE: '',
      KASK_NONSENSE: '',
      KASK_TLS_CERT: '',
    };
    expect(load('listen_port: 81', env)).toEqual({
      settings: Object.assign(new Settings(), { listen_port: 81 }),
      warnings: [],
    });
  });

  it('is named in its faults', () => {
    expect(
      faults('listen_port: 81', {
        KASK_LISTEN_PORT: 'http',
        KASK_CASSANDRA_HOSTS: 'a,',
        KASK_CASSANDRA_PORT: ' 1',
      }),
    ).toEqual([
      expect.stringContaining('KASK_CASSANDRA_HOSTS: found ["a", ""]; '),
      'KASK_CASSANDRA_PORT: found " 1"; allowed: a whole number from 1 to 65535',
      'KASK_LISTEN_PORT: found "http"; allowed: a whole number from 0 to 65535',
    ]);
  });

  it.each([
    ['a b\n', 'a b'],
    ['a\r\n', 'a'],
    ['a\n\n', 'a\n'],
    [' a', ' a'],
  ])('gives a secret by a file that holds %j', (content, password) => {
    const env = { KASK_CASSANDRA_AUTHENTICATION_PASSWORD_FILE: written(content, 'password') };
    const { settings, warnings } = load('cassandra: {authentication: {username: a, password: b}}', env);
    expect(settings.cassandra.authentication?.password).toBe(password);
    expect(warnings).toEqual([]);
  });

  it('refuses a secret that is given twice, or by a file that gives none', () => {
    const variable = 'KASK_CASSANDRA_AUTHENTICATION_PASSWORD';
    const user = { KASK_CASSANDRA_AUTHENTICATION_USERNAME: 'a' };
    const allowed = 'allowed: text; together with `cassandra.authentication.username`';
    expect(faults('', { ...user, [variable]: SECRET, [`${variable}_FILE`]: '/none' })).toEqual([
      `${variable}: found a value, and ${variable}_FILE as well; ${allowed}`,
    ]);
    expect(faults('', { ...user, [`${variable}_FILE`]: '/none' })).toEqual([
      `${variable}_FILE: found a file that cannot be read (ENOENT); ${allowed}`,
    ]);
    expect(faults('', { ...user, [`${variable}_FILE`]: written('\n', 'empty') })).toEqual([
      `${variable}_FILE: found a value that is not shown; ${allowed}`,
    ]);
  });

  it('warns of variables that are none of ours', () => {
    expect(
      warnings('', {
        KASK_LISTENPORT: '1',
        KASK_CASSANDRA_PASSWORD: SECRET,
        KASK_CASSANDRA_CERT: '/x',
        KASK_CASANDRA_PORT: '1',
        KASK_TTL: '1',
        KASK_X: '1',
        KASK_LISTEN_PORT_FILE: '/x',
      }),
    ).toEqual([
      'KASK_LISTENPORT: unknown variable, ignored; did you mean KASK_LISTEN_PORT?',
      'KASK_CASSANDRA_PASSWORD: unknown variable, ignored; did you mean KASK_CASSANDRA_AUTHENTICATION_PASSWORD?',
      'KASK_CASSANDRA_CERT: unknown variable, ignored; did you mean KASK_CASSANDRA_TLS_CERT?',
      'KASK_CASANDRA_PORT: unknown variable, ignored; did you mean KASK_CASSANDRA_PORT?',
      'KASK_TTL: unknown variable, ignored; did you mean KASK_DEFAULT_TTL?',
      'KASK_X: unknown variable, ignored',
      expect.stringMatching(/^KASK_LISTEN_PORT_FILE: unknown variable, ignored/),
    ]);
  });

  it('says nothing of what Kubernetes sets for Services, nor of variables of tests', () => {
    const link = 'tcp://10.0.0.7:9042';
    const env = {
      KASK_SERVICE_HOST: '10.0.0.7',
      KASK_SERVICE_PORT: '8080',
      KASK_SERVICE_PORT_HTTP: '8080',
      KASK_PORT: link,
      KASK_PORT_8080_TCP: link,
      KASK_PORT_8080_TCP_ADDR: '10.0.0.7',
      KASK_METRICS_SERVICE_HOST: '10.0.0.7',
      KASK_METRICS_PORT: link,
      KASK_METRICS_PORT_80_TCP_PROTO: 'tcp',
      KASK_TEST_CASSANDRA: 'x',
    };
    expect(load('', env)).toEqual({ settings: new Settings(), warnings: [] });
  });

  it('does not take the address of a Service called kask-cassandra for a port', () => {
    const { settings, warnings } = load('', { KASK_CASSANDRA_PORT: 'tcp://10.0.0.7:9042' });
    expect(settings.cassandra.port).toBe(9042);
    expect(warnings).toEqual([expect.stringMatching(/^KASK_CASSANDRA_PORT: ignored, because Kubernetes/)]);
  });
});

describe('every fault', () => {
  it('is reported at once, in one message', () => {
    const error = refusal(
      'listen_port: http\ndefault_ttl: -5\nlog_level: loud\ncassandra: {port: abc, hosts: [], tls: {cert: /c}}\nembedded: 5',
      {
        KASK_BASE_URI: '/a?b',
      },
    );
    expect(error.faults.map((fault) => fault.split(': ', 1)[0]).sort()).toEqual([
      'KASK_BASE_URI',
      'cassandra.hosts',
      'cassandra.port',
      'cassandra.tls.ca',
      'cassandra.tls.cert',
      'cassandra.tls.key',
      'default_ttl',
      'embedded',
      'listen_port',
      'log_level',
    ]);
    for (const fault of error.faults) expect(error.message).toContain(`\n  ${fault}`);
    expect(error.faults).toContain('cassandra.port: found "abc"; allowed: a whole number from 1 to 65535');
  });
});

describe('a secret', () => {
  const pem = `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----\n`;
  const quoted = JSON.stringify(pem);
  const variable = 'KASK_CASSANDRA_AUTHENTICATION_PASSWORD';

  it.each<[string, NodeJS.ProcessEnv?]>([
    [`cassandra: {authentication: {username: a, password: [${SECRET}]}}`],
    [`cassandra: {authentication: {username: a, password: {${SECRET}: 1}}}`],
    [`cassandra: {authentication: {username: a, password: *${SECRET}}}`],
    [`cassandra: {authentication: {username: a, password: !${SECRET} ''}}`],
    [`cassandra: {authentication: {password: ${SECRET}}}`],
    [`cassandra: {authentication: {username:kask, password:${SECRET}}}`],
    [`cassandra: {authentication: {kask, ${SECRET}}}`],
    [`cassandra: {authentication: {kask, "${SECRET} x"}}`],
    [`cassandra: {authentication: ${SECRET}}`],
    [`cassandra: {authentication: [kask, ${SECRET}]}`],
    [`cassandra: {authentication: {username: a, pasword: ${SECRET}}}`],
    [`cassandra: {authentication: {username: a, password: ${SECRET}}}\nlisten_port: x`],
    [`cassandra: {hosts: ["kask:${SECRET}@a"]}`],
    [`cassandra: {hosts: "cql://kask:${SECRET}@a/"}`],
    [`cassandra: {tls: {ca: ${quoted}, cert: ${quoted}, key: ${quoted}}}`],
    [`tls: {cert: ${quoted}, key: ${quoted}}`],
    [`tls: ${quoted}`],
    [`password: ${SECRET}\npassword:${SECRET}: 1\nlisten_port: x`],
    [`cassandra:\n  authentication:\n    password: "${SECRET}\n`],
    [`cassandra:\n  authentication:\n   password: ${SECRET}\n  : ${SECRET}: ${SECRET}\n\tx`],
    [`cassandra:\n  authentication:\n    password: ${SECRET}\n    password: ${SECRET}\n`],
    [`cassandra:\n  authentication:\n    password: @${SECRET}\n`],
    [`cassandra:\n  authentication:\n    password: "\\${SECRET}"\n`],
    [`cassandra:\n  authentication:\n    password: &${SECRET} *${SECRET}\n`],
    [`%${SECRET} x\n---\na: [`],
    ['listen_port: x', { [variable]: SECRET }],
    ['', { [variable]: SECRET, [`${variable}_FILE`]: '/none' }],
    ['listen_port: x', { KASK_CASSANDRA_PASSWORD: SECRET, KASK_PASSWORD: SECRET }],
    ['', { [`${variable}_FILE`]: pem }],
    ['', { [`${variable}_FILE`]: SECRET }],
    ['', { KASK_TLS_KEY: pem, KASK_TLS_CERT: pem, KASK_OPENAPI_SPEC: pem }],
  ])('is in no message about %j', (yaml, env = {}) => {
    // One fault more, for those that are no faults: everything is said then.
    const { message, faults, warnings, stack } = refusal(yaml, { KASK_LISTEN_PORT: 'x', ...env });
    expect(JSON.stringify([message, faults, warnings, stack])).not.toContain(SECRET);
  });

  it('is in no warning, nor in what --check-config prints', () => {
    const { settings, warnings } = load(
      `password: ${SECRET}\ncassandra: {authentication: {username: kask, password: ${SECRET}, ${SECRET}: x, passwort: ${SECRET}}}`,
      { KASK_CASSANDRA_PASSWORD: SECRET },
    );
    expect(settings.cassandra.authentication?.password).toBe(SECRET);
    expect(warnings).toHaveLength(4);
    expect(warnings.join()).not.toContain(SECRET);
    expect(describeSettings(settings)).not.toContain(SECRET);
  });
});

describe('describeSettings', () => {
  it('is YAML of what is in force, that could be the file', () => {
    const { settings } = load(
      'storage: embedded\nservice_name: on\ncassandra: {hosts: [a, b], authentication: {username: kask, password: x}}',
    );
    expect(parse(describeSettings(settings))).toEqual({
      ...JSON.parse(JSON.stringify(settings)),
      cassandra: { ...settings.cassandra, authentication: { username: 'kask', password: '(hidden)' } },
    });
    const again = load(describeSettings(settings).replace('(hidden)', 'x'));
    expect(again).toEqual({ settings, warnings: [] });
  });
});
