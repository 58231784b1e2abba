import { isCertificateName, isHost } from './host-name.js';
import { OneOf, Section, Text, TextList, WholeNumber } from './setting.js';

const LOG_LEVELS = ['debug', 'info', 'warning', 'error', 'fatal'] as const;
const STORAGES = ['cassandra', 'embedded'] as const;

const isCqlName = (text: string) => /^\w{1,48}$/.test(text);
const CQL_NAME = '1 to 48 letters, digits and underscores; case matters';
const HOST = 'a host name or an IP address, without a port';

const isBasePath = (path: string) =>
  /^\/([\w.~-]+\/)*$/.test(path) && !/\/\.\.?\//.test(path) && !/^\/(healthz|metrics|openapi)\//.test(path);
const withSlashes = (path: string) =>
  path && `${path.startsWith('/') ? '' : '/'}${path}${path.endsWith('/') ? '' : '/'}`;
const withoutBrackets = (address: string) => address.replace(/^\[(.*:.*)\]$/, '$1');

export class TlsSettings {
  @Text({
    allowed: 'path of a PEM file; together with `tls.key`',
    about: 'Certificate (and its chain) shown to clients.',
  })
  cert!: string;

  @Text({
    allowed: 'path of a PEM file; together with `tls.cert`',
    about: 'Private key of that certificate, not encrypted.',
  })
  key!: string;
}

export class EmbeddedSettings {
  @Text({
    allowed: 'path of a directory',
    about: 'Where the embedded store keeps its files; made if it is missing.',
  })
  path = './data';
}

export class AuthenticationSettings {
  @Text({
    allowed: 'text, not empty; together with `cassandra.authentication.password`',
    about: 'Role that logs in to Cassandra.',
  })
  username!: string;

  @Text({
    secret: true,
    allowed: 'text, not empty; together with `cassandra.authentication.username`',
    about: 'Its password.',
  })
  password!: string;
}

export class CassandraTlsSettings {
  @Text({
    allowed: 'path of a PEM file; needed with any other of `cassandra.tls`',
    about: "Certificates of the authorities that sign the nodes' certificates.",
  })
  ca!: string;

  @Text({
    neededWith: 'key',
    allowed: 'path of a PEM file; together with `cassandra.tls.key`',
    about: 'Certificate shown to Cassandra.',
  })
  cert?: string;

  @Text({
    neededWith: 'cert',
    allowed: 'path of a PEM file; together with `cassandra.tls.cert`',
    about: 'Private key of that certificate, not encrypted.',
  })
  key?: string;

  @TextList({
    optional: true,
    accepts: isCertificateName,
    allowed: 'list of host names; `*.` may stand for the leftmost label',
    about:
      "Further names that are accepted in a node's certificate, beside its name in `cassandra.hosts` and its address.",
  })
  server_names?: string[];
}

export class CassandraSettings {
  @TextList({
    accepts: isHost,
    allowed: 'list of at least one host name or IP address, without ports (those are `cassandra.port`)',
    about: 'Nodes that are asked first; the others are found through them.',
  })
  hosts = ['localhost'];

  @WholeNumber({ min: 1, max: 65535, about: 'CQL port of every node.' })
  port = 9042;

  @Text({ accepts: isCqlName, allowed: CQL_NAME, about: 'Keyspace of the table.' })
  keyspace = 'kask';

  @Text({ accepts: isCqlName, allowed: CQL_NAME, about: 'Table of the values.' })
  table = 'values';

  @Text({
    optional: true,
    about: 'Datacenter, as Cassandra spells it, whose nodes alone coordinate our requests.',
  })
  local_dc?: string;

  @WholeNumber({
    min: 1,
    max: 600000,
    unit: 'milliseconds',
    about: 'How long a request may take in Cassandra.',
  })
  query_timeout_ms = 12000;

  @WholeNumber({
    min: 1,
    max: 600000,
    unit: 'milliseconds',
    about: 'How long connecting to a node may take.',
  })
  connect_timeout_ms = 5000;

  @Section(AuthenticationSettings, 'Login to Cassandra.')
  authentication?: AuthenticationSettings;

  @Section(CassandraTlsSettings, 'TLS to Cassandra.')
  tls?: CassandraTlsSettings;
}

export class Settings {
  @Text({ about: '`appname` of every log line.' })
  service_name = 'kask';

  @Text({
    normalise: withSlashes,
    accepts: isBasePath,
    allowed:
      'absolute path of segments of `A-Z a-z 0-9 . _ ~ -`, not below `/healthz`, `/metrics`, `/openapi`; a missing leading or trailing `/` is added',
    about: 'Prefix of every key.',
  })
  base_uri = '/v1/';

  @Text({
    normalise: withoutBrackets,
    accepts: isHost,
    allowed: HOST,
    about: 'Address to listen on; `0.0.0.0` is every IPv4 address, `::` every address.',
  })
  listen_address = 'localhost';

  @WholeNumber({ min: 0, max: 65535, about: 'Port to listen on; `0` is any free port.' })
  listen_port = 8080;

  @WholeNumber({ min: 0, max: 630720000, unit: 'seconds', about: 'Life of a value; `0` is for ever.' })
  default_ttl = 86400;

  @OneOf(LOG_LEVELS, { about: 'The least severe lines that are logged; in any case.' })
  log_level: (typeof LOG_LEVELS)[number] = 'info';

  @Text({
    optional: true,
    allowed: 'path of a file',
    about: 'OpenAPI document served at `/openapi` in place of our own.',
  })
  openapi_spec?: string;

  @Section(TlsSettings, 'TLS to clients.')
  tls?: TlsSettings;

  @OneOf(STORAGES, { about: 'Where values are kept.' })
  storage: (typeof STORAGES)[number] = 'cassandra';

  @Section(EmbeddedSettings, 'The embedded store.')
  embedded = new EmbeddedSettings();

  @Section(CassandraSettings, 'The Cassandra cluster.')
  cassandra = new CassandraSettings();

  @WholeNumber({ min: 1, max: 104857600, unit: 'bytes', about: 'Size of the largest value that is taken.' })
  max_value_bytes = 8388608;

  @WholeNumber({
    min: 0,
    max: 600000,
    unit: 'milliseconds',
    about: 'How long to go on serving after the signal to stop, so that load balancers see it coming.',
  })
  shutdown_delay_ms = 5000;

  @WholeNumber({
    min: 0,
    max: 600000,
    unit: 'milliseconds',
    about: 'How long requests in flight may then take before they are cut off.',
  })
  shutdown_timeout_ms = 20000;
}
