import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidSettings, loadSettings } from './load-settings.js';

let directory: string;
const file = (name: string) => join(directory, name);
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });

function makeIdentity(name: string, ...algorithm: string[]): void {
  const subject = ['-subj', `/CN=${name}.example.org`, '-days', '30'];
  openssl(
    'req',
    '-x509',
    '-newkey',
    ...algorithm,
    '-nodes',
    ...subject,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.crt`,
  );
}

function makeList(name: string, authority: string, ...times: string[]): void {
  writeFileSync(file('index.txt'), '');
  const settings = `[ca]\ndefault_ca=this\n[this]\ndatabase=${file('index.txt')}\ndefault_md=sha256\n`;
  writeFileSync(file('ca.cnf'), settings);
  const signer = ['-cert', `${authority}.crt`, '-keyfile', `${authority}.key`];
  const validity = times.length > 0 ? times : ['-crldays', '30'];
  openssl('ca', '-config', 'ca.cnf', '-gencrl', ...signer, ...validity, '-out', `${name}.crl`);
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'kask-tls-'));
  const ec = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  makeIdentity('one', ...ec);
  makeIdentity('two', ...ec);
  makeIdentity('rsa', 'rsa:2048');
  makeIdentity('weak', 'rsa:512');
  openssl('pkcs8', '-topk8', '-in', 'one.key', '-out', 'locked.key', '-passout', 'pass:x');
  openssl('x509', '-in', 'one.crt', '-outform', 'der', '-out', 'one.der');
  writeFileSync(
    file('both.crt'),
    readFileSync(file('one.crt'), 'utf8') + readFileSync(file('two.crt'), 'utf8'),
  );
  writeFileSync(file('broken.crt'), readFileSync(file('one.crt'), 'utf8').replace(/\n.{20}/, '\nAAAA'));
  writeFileSync(file('empty.crt'), '');
  makeList('one', 'one');
  makeList('two', 'two');
  makeList('late', 'one', '-crl_lastupdate', '20200101000000Z', '-crl_nextupdate', '20500101000000Z');
  makeList('past', 'one', '-crl_lastupdate', '190101000000Z', '-crl_nextupdate', '200101000000Z');
  writeFileSync(
    file('both.crl'),
    readFileSync(file('one.crl'), 'utf8') + readFileSync(file('two.crl'), 'utf8'),
  );
  writeFileSync(file('broken.crl'), readFileSync(file('one.crl'), 'utf8').replace(/\n.{20}/, '\nAAAA'));
  mkdirSync(file('folder'));
});
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => jest.restoreAllMocks());

function load(yaml: string, env: NodeJS.ProcessEnv = {}): { faults: string[]; warnings: string[] } {
  writeFileSync(file('config.yaml'), yaml.replaceAll('DIR', directory));
  try {
    return { faults: [], warnings: loadSettings(file('config.yaml'), env).warnings };
  } catch (error) {
    if (error instanceof InvalidSettings) return error;
    throw error;
  }
}

const clients = (cert: string, key: string) => load(`tls: {cert: DIR/${cert}, key: DIR/${key}}`);
const nodes = (ca: string) => load(`cassandra: {tls: {ca: DIR/${ca}}}`);

describe('a certificate and its key', () => {
  it.each([
    ['one.crt', 'one.key'],
    ['rsa.crt', 'rsa.key'],
    ['both.crt', 'one.key'],
  ])('%s and %s belong together', (cert, key) => {
    expect(clients(cert, key)).toMatchObject({ faults: [], warnings: [] });
  });

  it.each([
    ['one.crt', 'two.key', 'do not belong together'],
    ['one.crt', 'rsa.key', 'do not belong together'],
    ['both.crt', 'two.key', 'do not belong together'],
    ['weak.crt', 'weak.key', 'TLS refuses (ERR_SSL_EE_KEY_TOO_SMALL)'],
  ])('%s and %s are refused', (cert, key, why) => {
    expect(clients(cert, key).faults).toEqual([
      `tls.cert, tls.key: found files that ${why}; allowed: a certificate and its own key`,
    ]);
  });

  it.each([
    ['none.crt', 'cannot be read (ENOENT)'],
    ['folder', 'cannot be read (EISDIR)'],
    ['one.der', 'is not UTF-8'],
    ['one.key', 'holds something else'],
    ['broken.crt', 'holds something else'],
    ['empty.crt', 'holds something else'],
  ])('%s is no certificate', (cert, why) => {
    const fault = `found "${file(cert)}", which ${why}; allowed: path of a PEM file with certificates`;
    expect(clients(cert, 'one.key').faults).toEqual([`tls.cert: ${fault}`]);
    expect(nodes(cert).faults).toEqual([`cassandra.tls.ca: ${fault}`]);
  });

  it.each(['none.key', 'locked.key', 'one.crt', 'empty.crt'])('%s is no key', (key) => {
    expect(clients('one.crt', key).faults).toEqual([
      expect.stringMatching(
        /^tls\.key: found ".*", which .*; allowed: path of a PEM file with a private key that is not encrypted$/,
      ),
    ]);
  });

  it('are both named when both are wrong, by the variable where one is from the environment', () => {
    const { faults } = load('tls: {cert: /none.crt}', { KASK_TLS_KEY: '/none.key' });
    expect(faults.map((fault) => fault.split(': ', 1)[0])).toEqual(['tls.cert', 'KASK_TLS_KEY']);
  });
});

describe('authorities of clients', () => {
  const asks = (rest: string) => load(`tls: {cert: DIR/one.crt, key: DIR/one.key, ${rest}}`);
  const CA = 'client_ca: DIR/both.crt, client_auth: required';

  it.each([
    CA,
    'client_ca: DIR/one.crt, client_auth: Optional',
    `${CA}, client_crl: DIR/both.crl, min_version: 1.3`,
    'client_auth: none, min_version: "1.2"',
    'client_ca: DIR/one.crt, client_auth: required, client_crl: DIR/late.crl',
  ])('%s', (rest) => {
    expect(asks(rest)).toMatchObject({ faults: [], warnings: [] });
  });

  it.each([
    [
      'client_auth: required',
      'tls.client_ca: found nothing; allowed: path of a PEM file, needed by tls.client_auth: required',
    ],
    [
      'client_crl: DIR/one.crl',
      'tls.client_ca: found nothing; allowed: path of a PEM file, needed by tls.client_crl',
    ],
    [`client_ca: DIR/one.key, client_auth: optional`, /^tls\.client_ca: .* holds something else/],
    [
      `${CA}, client_crl: DIR/one.crl`,
      /^tls\.client_crl: found no list of CN=two\.example\.org; allowed: one of each/,
    ],
    [`${CA}, client_crl: DIR/one.crt`, /^tls\.client_crl: .* holds something else/],
    [`${CA}, client_crl: DIR/broken.crl`, /^tls\.client_crl: .* holds something else/],
    [`${CA}, client_crl: DIR/none.crl`, /^tls\.client_crl: .* cannot be read \(ENOENT\)/],
    [
      'client_ca: DIR/one.crt, client_auth: maybe',
      /^tls\.client_auth: found "maybe"; allowed: one of none, /,
    ],
    ['min_version: 1.1', /^tls\.min_version: found "1\.1"; allowed: one of 1\.2, 1\.3/],
  ])('%s is refused', (rest, fault) => {
    expect(asks(rest).faults).toEqual([typeof fault === 'string' ? fault : expect.stringMatching(fault)]);
  });

  it.each([
    [
      'client_ca: DIR/one.crt',
      /^tls\.client_ca: no client is asked for a certificate while tls\.client_auth is none/,
    ],
    [
      'client_ca: DIR/one.crt, client_auth: required, client_crl: DIR/past.crl',
      /^tls\.client_crl: the list of CN=one\.example\.org expired on Wed, 01 Jan 2020 00:00:00 GMT/,
    ],
  ])('%s is warned about', (rest, warning) => {
    expect(asks(rest)).toMatchObject({ faults: [], warnings: [expect.stringMatching(warning)] });
  });
});

describe('TLS to Cassandra', () => {
  it('takes a bundle of authorities, alone or with an identity', () => {
    expect(nodes('both.crt')).toMatchObject({ faults: [], warnings: [] });
    expect(load('cassandra: {tls: {ca: DIR/rsa.crt, cert: DIR/one.crt, key: DIR/one.key}}').faults).toEqual(
      [],
    );
  });

  it('refuses an identity that is none', () => {
    expect(load('cassandra: {tls: {ca: DIR/rsa.crt, cert: DIR/one.crt, key: DIR/two.key}}').faults).toEqual([
      expect.stringMatching(
        /^cassandra\.tls\.cert, cassandra\.tls\.key: found files that do not belong together/,
      ),
    ]);
  });

  it('is not looked at when values are kept in the embedded store', () => {
    expect(load('storage: embedded\ncassandra: {tls: {ca: /none}}')).toMatchObject({
      faults: [],
      warnings: [],
    });
  });
});

describe('the time of certificates', () => {
  const DAY = 86_400_000;

  it.each([
    [60, /^tls\.cert: the certificate of CN=one\.example\.org expired on .* GMT$/],
    [-60, /^tls\.cert: the certificate of CN=one\.example\.org is not valid before .* GMT$/],
  ])('%i days from now is a warning', (days, warning) => {
    const then = Date.now() + days * DAY;
    jest.spyOn(Date, 'now').mockReturnValue(then);
    expect(clients('one.crt', 'one.key')).toMatchObject({
      faults: [],
      warnings: [expect.stringMatching(warning)],
    });
    expect(nodes('both.crt').warnings).toHaveLength(2);
  });
});
