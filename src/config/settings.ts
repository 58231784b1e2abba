import { isCertificateName, isHost, isHostName } from './host-name.js';
import { FACILITIES, type Facility } from '../syslog/syslog-message.js';
import { parseSyslogAddress } from '../syslog/syslog-address.js';
import { Flag, Fraction, OneOf, Section, Sections, Text, TextList, WholeNumber } from './setting.js';

// What each setting means stands in docs/configuration.md; settings.spec.ts holds it to what stands here.

const LOG_LEVELS = ['debug', 'info', 'warning', 'error', 'fatal'] as const;
const DATA_PATHS = ['lane', 'driver'] as const;
const CLIENT_AUTHENTICATION = ['none', 'optional', 'required'] as const;
const TLS_VERSIONS = ['1.2', '1.3'] as const;
const STORAGES = ['cassandra', 'embedded'] as const;
const AUTHENTICATIONS = ['none', 'required'] as const;
const PERMISSIONS = ['read', 'write', 'delete', 'metrics'] as const;
const PROBLEM_INSTANCES = ['route', 'path'] as const;
const milliseconds = (min: number) => ({ min, max: 600000, unit: 'milliseconds' });
const cqlName = {
  allowed: '1 to 48 letters, digits and underscores; case matters',
  accepts: (name: string) => /^\w{1,48}$/.test(name),
};

const address = {
  allowed: 'host name or IP address, without a port',
  accepts: isHost,
  normalise: withoutBrackets,
};

export class TlsSettings {
  @Text({ allowed: 'path of a PEM file; together with `tls.key`' })
  cert!: string;

  @Text({ allowed: 'path of a PEM file; together with `tls.cert`' })
  key!: string;

  @Text({ allowed: 'path of a PEM file; needed by `tls.client_auth` and `tls.client_crl`', optional: true })
  client_ca?: string;

  @Text({ allowed: 'path of a PEM file', optional: true })
  client_crl?: string;

  @OneOf(CLIENT_AUTHENTICATION, { optional: true })
  client_auth?: (typeof CLIENT_AUTHENTICATION)[number];

  @OneOf(TLS_VERSIONS, { optional: true })
  min_version?: (typeof TLS_VERSIONS)[number];
}

/** What a client may be allowed to do. */
export type Permission = (typeof PERMISSIONS)[number];

export class ClientSettings {
  @TextList({
    allowed: `list of one or more of ${PERMISSIONS.join(', ')}`,
    accepts: (text) => PERMISSIONS.some((permission) => permission === text),
  })
  may!: Permission[];

  @TextList({ allowed: 'list of beginnings of session keys', optional: true })
  keys?: string[];
}

export class AuthorizationSettings {
  @Sections({
    section: ClientSettings,
    names: 'a DNS name or a URI, which may end in `*`',
    accepts: isIdentityPattern,
  })
  clients?: Record<string, ClientSettings>;

  @TextList({ allowed: 'list of DNS names and URIs', accepts: isIdentity, optional: true })
  proxies?: string[];
}

export class NamespaceSettings {
  @TextList({
    allowed: 'list of patterns of session keys, in which `*` stands for any text; only `other` has none',
    optional: true,
  })
  keys?: string[];

  @WholeNumber({ min: 0, max: 1000000000000, unit: 'bytes' })
  write_bytes_per_second = 0;

  @Flag()
  atomic = false;
}

export class ManagementSettings {
  @Text({ ...address, allowed: `${address.allowed}; together with \`management.listen_port\`` })
  listen_address!: string;

  @WholeNumber({ min: 0, max: 65535 })
  listen_port!: number;
}

export class LimitsSettings {
  @WholeNumber({ min: 1, max: 1000000 })
  connections = 4000;

  @WholeNumber({ min: 0, max: 1000000 })
  connections_per_peer = 0;
}

export class EmbeddedSettings {
  @Text({ allowed: 'path of a directory' })
  path = './data';
}

const moment = {
  allowed: 'date, or date and time, of RFC 3339, such as `2027-01-31T12:00:00Z`',
  accepts: isMoment,
  optional: true,
};

export class EncryptionSettings {
  @Text({ allowed: 'path of a file of keys; needed by the rest of `encryption`' })
  key_file!: string;

  @Text(moment)
  seal_from?: string;

  @Text(moment)
  read_unencrypted_until?: string;
}

export class SyslogSettings {
  @Text({
    allowed:
      '`unix:/path`, `udp://host:port`, `tcp://host:port` or `tls://host:port`; needed by the rest of `log.syslog`',
    accepts: (address) => parseSyslogAddress(address) !== undefined,
  })
  address!: string;

  @Text({ allowed: 'path of a PEM file', optional: true })
  ca?: string;

  @OneOf(Object.keys(FACILITIES), { optional: true })
  facility?: Facility;
}

export class LogSettings {
  @Section(SyslogSettings)
  syslog?: SyslogSettings;
}

export class TracingSettings {
  @Text({
    allowed:
      'URL with `http` or `https`, without credentials, query and fragment; needed by the rest of `tracing`',
    accepts: isEndpoint,
  })
  endpoint!: string;

  @Fraction({ optional: true })
  sample_ratio?: number;
}

export class AuthenticationSettings {
  @Text({ allowed: 'text; together with `cassandra.authentication.password`' })
  username!: string;

  @Text({ allowed: 'text; together with `cassandra.authentication.username`', secret: true })
  password!: string;
}

export class CassandraTlsSettings {
  @Text({ allowed: 'path of a PEM file; needed by the rest of `cassandra.tls`' })
  ca!: string;

  @Text({ allowed: 'path of a PEM file; together with `cassandra.tls.key`', neededWith: 'key' })
  cert?: string;

  @Text({ allowed: 'path of a PEM file; together with `cassandra.tls.cert`', neededWith: 'cert' })
  key?: string;

  @TextList({
    allowed: 'list of host names; `*.` may stand for the leftmost label',
    accepts: isCertificateName,
    optional: true,
  })
  server_names?: string[];
}

export class CassandraSettings {
  @TextList({
    allowed: 'list of one or more host names or IP addresses, without ports (`cassandra.port` is for all)',
    accepts: isHost,
  })
  hosts = ['localhost'];

  @WholeNumber({ min: 1, max: 65535 })
  port = 9042;

  @Text(cqlName)
  keyspace = 'kask';

  @Text(cqlName)
  table = 'values';

  @Text({ allowed: 'name of a datacenter', optional: true })
  local_dc?: string;

  @WholeNumber(milliseconds(1))
  query_timeout_ms = 12000;

  @WholeNumber(milliseconds(1))
  connect_timeout_ms = 5000;

  @WholeNumber(milliseconds(0))
  clock_limit_ms = 1000;

  @OneOf(DATA_PATHS)
  data_path: (typeof DATA_PATHS)[number] = 'lane';

  @Section(AuthenticationSettings)
  authentication?: AuthenticationSettings;

  @Section(CassandraTlsSettings)
  tls?: CassandraTlsSettings;
}

export class Settings {
  @Text({ allowed: 'text' })
  service_name = 'kask';

  @Text({
    allowed: 'path of `A-Z a-z 0-9 . _ ~ - /`, not below `/healthz`, `/metrics` or `/openapi`',
    accepts: isBasePath,
    normalise: withSlashes,
  })
  base_uri = '/v1/';

  @Text(address)
  listen_address = 'localhost';

  @WholeNumber({ min: 0, max: 65535 })
  listen_port = 8080;

  @Text({ allowed: 'path of a Unix socket', optional: true })
  listen_socket?: string;

  @Section(ManagementSettings)
  management?: ManagementSettings;

  @WholeNumber({ min: 0, max: 630720000, unit: 'seconds' })
  default_ttl = 86400;

  @WholeNumber({ min: 1, max: 630720000, unit: 'seconds' })
  max_ttl = 864000;

  @OneOf(LOG_LEVELS)
  log_level: (typeof LOG_LEVELS)[number] = 'info';

  @Section(LogSettings)
  log?: LogSettings;

  @Section(TracingSettings)
  tracing?: TracingSettings;

  @Text({ allowed: 'path of a file', optional: true })
  openapi_spec?: string;

  @Flag()
  docs_page = false;

  @Section(TlsSettings)
  tls?: TlsSettings;

  @OneOf(AUTHENTICATIONS, { optional: true })
  authentication?: (typeof AUTHENTICATIONS)[number];

  @Section(AuthorizationSettings)
  authorization?: AuthorizationSettings;

  @OneOf(PROBLEM_INSTANCES)
  problem_instance: (typeof PROBLEM_INSTANCES)[number] = 'route';

  @OneOf(STORAGES)
  storage: (typeof STORAGES)[number] = 'cassandra';

  @Section(EmbeddedSettings)
  embedded = new EmbeddedSettings();

  @Section(EncryptionSettings)
  encryption?: EncryptionSettings;

  @Text({ allowed: 'path of a file that holds a secret of at least 32 bytes', optional: true })
  log_key_file?: string;

  @Section(CassandraSettings)
  cassandra = new CassandraSettings();

  @WholeNumber({ min: 1, max: 104857600, unit: 'bytes' })
  max_value_bytes = 8388608;

  @WholeNumber(milliseconds(100))
  request_timeout_ms = 2500;

  @Section(LimitsSettings)
  limits = new LimitsSettings();

  @Sections({
    section: NamespaceSettings,
    names: 'a letter and up to 63 more letters, digits, `_` and `-`',
    accepts: (name) => /^[a-z][\w-]{0,63}$/i.test(name),
  })
  namespaces?: Record<string, NamespaceSettings>;

  @Text({ allowed: 'path of a file, which need not exist', optional: true })
  depool_file?: string;

  @WholeNumber(milliseconds(0))
  shutdown_delay_ms = 5000;

  @WholeNumber(milliseconds(0))
  shutdown_timeout_ms = 20000;
}

function isIdentity(name: string): boolean {
  return isHostName(name) || /^[a-z][a-z0-9+.-]*:\/\/[^\s*]+$/.test(name);
}

/** A `*` ends the last segment of a URI's path, so that it never spans hosts or segments. */
function isIdentityPattern(name: string): boolean {
  return isIdentity(name) || /^[a-z][a-z0-9+.-]*:\/\/[^\s*/]+\/[^\s*]*\*$/.test(name);
}

function isBasePath(path: string): boolean {
  const segments = path.split('/').slice(1, -1);
  return (
    path !== '' &&
    segments.every((segment) => /^[\w.~-]+$/.test(segment) && !/^\.\.?$/.test(segment)) &&
    !['healthz', 'metrics', 'openapi'].includes(segments[0] ?? '')
  );
}

function isEndpoint(text: string): boolean {
  if (!/^https?:\/\/[^\s@?#]+$/.test(text)) return false;
  return URL.canParse(text);
}

/** Section 5.6 of the RFC; a date is its midnight, UTC. Of the 31st of February JavaScript makes the 3rd of March. */
function isMoment(text: string): boolean {
  const [, date, time = ''] =
    /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))?$/i.exec(text) ?? [];
  if (!date || isNaN(Date.parse(date + time))) return false;
  return new Date(date).toISOString().startsWith(date);
}

function withSlashes(path: string): string {
  return path && path.replace(/^(?!\/)/, '/').replace(/(?<!\/)$/, '/');
}

/** Go programs want an IPv6 address as `[::1]`, Node as `::1`. */
function withoutBrackets(address: string): string {
  return address.replace(/^\[(.*:.*)\]$/, '$1');
}
