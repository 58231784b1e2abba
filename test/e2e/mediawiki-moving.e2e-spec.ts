import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { type Certificates, createCertificates } from '../harness/certificates.js';
import { EnvoyProcess } from '../harness/envoy.js';
import { freePorts } from '../harness/free-ports.js';
import { KaskProcess } from '../harness/kask.js';
import { fencesOf } from '../harness/manual-blocks.js';
import { MediaWiki } from '../harness/mediawiki.js';
import { requirePhpRedis } from '../harness/php.js';
import { exchange } from '../harness/raw-http.js';
import { RedisServer } from '../harness/redis-server.js';
import { REPOSITORY } from '../harness/repository.js';
import { openBackend, type SessionBackend } from '../harness/session-backend.js';
import { WikiUser } from '../harness/wiki-user.js';

jest.setTimeout(120_000);

const PAGE = readFileSync(path.join(REPOSITORY, 'docs/mediawiki.md'), 'utf8');
const BLOCKS = fencesOf(PAGE);
const MAIN = path.join(REPOSITORY, 'dist/main.js');
const HOUR = 3_600;

let wiki: MediaWiki;
let certificates: Certificates;

beforeAll(async () => {
  wiki = await MediaWiki.install();
  certificates = createCertificates({ names: ['sessions.example'], addresses: ['127.0.0.1'] });
  // PyPI is asked the first time.
  await EnvoyProcess.fetch();
}, 300_000);
afterAll(async () => {
  await wiki?.remove();
  rmSync(certificates.directory, { recursive: true });
});

/** What stands in docs/mediawiki.md under a heading, in a language. */
function documented(heading: string, language = 'php'): string {
  const found = BLOCKS.find((block) => block.heading === heading && block.info === language);
  if (!found) throw new Error(`docs/mediawiki.md has no ${language} under ${heading}`);
  return found.text;
}

/** The same text for the machine of the test. */
function placed(text: string, replacements: Record<string, string>): string {
  const all = {
    '/etc/mediawiki/kask-ca.pem': certificates.ca,
    '/etc/mediawiki/client.pem': certificates.clientCertificate,
    '/etc/mediawiki/client.key': certificates.clientKey,
    ...replacements,
  };
  return Object.entries(all).reduce((made, [from, to]) => made.replaceAll(from, to), text);
}

async function logIn(): Promise<WikiUser> {
  const user = new WikiUser(wiki);
  const page = await user.logIn(wiki.admin.name, wiki.admin.password);
  expect(page).toMatchObject({ status: 200, userName: wiki.admin.name });
  return user;
}

const nameOf = async (user: WikiUser): Promise<string | undefined> => (await user.read('Main Page')).userName;

describe.each(['redis', 'database'] as const)('moving from the %s', (from) => {
  let redis: RedisServer;
  let backend: SessionBackend;
  let kask: KaskProcess;
  /** Who was logged in at the very beginning, and who has logged in since. */
  let staying: WikiUser[];
  /** Who has not been here since the beginning. */
  let idle: WikiUser;
  /** Who comes once the service is alone. */
  let absent: WikiUser;
  /** With the cookies of those who have logged out. */
  const thieves: WikiUser[] = [];

  function start(port = 0): Promise<KaskProcess> {
    const { serverCertificate: cert, serverKey: key } = certificates;
    return KaskProcess.start({ ...backend.settings, listen_port: port, tls: { cert, key } });
  }

  const before = (): string =>
    from === 'redis' ? documented('Moving from Redis or the database') : '$wgSessionCacheType = CACHE_DB;';

  /** Serves the wiki with the settings of a step; a longer lifetime has all sessions renewed that are in use. */
  async function step(heading: string | undefined, lifetimeSeconds: number): Promise<void> {
    const blocks = heading ? [documented('The settings'), documented(heading)] : [];
    const old = from === 'redis' ? "'redis'" : 'CACHE_DB';
    const places = {
      'https://sessions.example:8081': kask.origin,
      '127.0.0.1:6379': `127.0.0.1:${redis.port}`,
      "[ 'redis' ]": `[ ${old} ]`,
    };
    const lifetime = `$wgObjectCacheSessionExpiry = ${lifetimeSeconds};`;
    await wiki.serve(placed([lifetime, before(), ...blocks].join('\n'), places));
  }

  /** Nobody is logged out who was logged in, and nobody is back who has left. */
  async function expectAsBefore(): Promise<void> {
    for (const user of staying) expect(await nameOf(user)).toBe(wiki.admin.name);
    // MediaWiki takes cookies away that name no session: each time another browser comes with them.
    for (const thief of thieves) expect(await nameOf(thief.twin())).toBeUndefined();
  }

  /** Who came in the step before goes, somebody else comes, and who was here from the beginning edits. */
  async function live(title: string): Promise<void> {
    const leaving = staying[1];
    if (leaving) {
      thieves.push(leaving.twin());
      expect((await leaving.logOut()).userName).toBeUndefined();
    }
    staying[1] = await logIn();
    const page = await (staying[0] as WikiUser).edit(`${title} of ${from}`, title);
    expect(page).toMatchObject({ status: 200, userName: wiki.admin.name });
    await expectAsBefore();
    expect([...wiki.errors(), ...wiki.sessionComplaints().filter((line) => /fail/i.test(line))]).toEqual([]);
  }

  const readsAt = (): string[] => [...new Set(wiki.sessionRequests().filter((line) => /^GET/.test(line)))];

  async function ttlOf(user: WikiUser): Promise<number> {
    const request = { method: 'HEAD', target: kask.path(user.sessionKey()) };
    const { headers } = await exchange(kask.origin, request, readFileSync(certificates.ca));
    return Number(headers['kask-ttl']);
  }

  beforeAll(async () => {
    requirePhpRedis();
    redis = await RedisServer.start();
    backend = await openBackend('embedded');
    kask = await start();
    await step(undefined, HOUR);
    staying = [await logIn()];
    idle = await logIn();
    absent = await logIn();
    await live('Before');
  });
  afterAll(async () => {
    await wiki.stop();
    await kask?.stop();
    await redis?.stop();
    await backend?.close();
  });

  it('1: everything is written to both, and the old store is read', async () => {
    await step('1. Write to both', HOUR);
    expect(await nameOf(staying[0] as WikiUser)).toBe(wiki.admin.name);
    expect(wiki.sessionRequests()).toEqual([]);
    await live('Writing to both');
    expect(await ttlOf(staying[1] as WikiUser)).toBeGreaterThan(HOUR - 600);
  });

  it('2: the service is read, and what it does not have is still found', async () => {
    await step('2. Read from the service', HOUR);
    expect(await nameOf(staying[1] as WikiUser)).toBe(wiki.admin.name);
    expect(readsAt()).toEqual(['GET 200']);
    expect(await nameOf(idle)).toBe(wiki.admin.name);
    expect(readsAt()).toEqual(['GET 200', 'GET 404']);
    await live('Reading new');
  });

  it('2: while the service is away, the old store has everybody', async () => {
    await kask.kill();
    expect(await nameOf(staying[0] as WikiUser)).toBe(wiki.admin.name);
    // The embedded store belongs to one process at a time.
    if (from === 'redis') importSessions();
    kask = await start(Number(new URL(kask.origin).port));
    await expectAsBefore();
    if (from === 'redis') expect(await ttlOf(absent)).toBeGreaterThan(HOUR - 600);
  });

  it('3: after a lifetime, in which each session was renewed, the service is alone', async () => {
    await step('2. Read from the service', 10 * HOUR);
    await expectAsBefore();
    await step('3. The service alone', 10 * HOUR);
    if (from === 'redis') expect(await nameOf(absent)).toBe(wiki.admin.name);
    await live('The service alone');
    expect(readsAt()).toContain('GET 200');
    expect(wiki.sessionComplaints().filter((line) => line.includes(` on 127.0.0.1:${redis.port}`))).toEqual(
      [],
    );
  });

  it('and back: the old store is emptied, and the steps are gone backwards', async () => {
    await emptyOldStore();
    await step('2. Read from the service', 10 * HOUR);
    await live('Back, and reading new');
    await step('2. Read from the service', 100 * HOUR);
    await expectAsBefore();
    await step('1. Write to both', 100 * HOUR);
    await live('Back, and reading old');
    await step(undefined, 100 * HOUR);
    await live('As before');
    expect(wiki.sessionRequests()).toEqual([]);
  });

  function importSessions(): void {
    const config = path.join(certificates.directory, 'import.yaml');
    writeFileSync(config, stringify(backend.settings));
    const hmacKey = path.join(certificates.directory, 'hmac-key');
    writeFileSync(hmacKey, /'hmac_key' => '(.*)'/.exec(documented('The settings'))?.[1] ?? '');
    const places = {
      '/etc/kask/hmac-key': hmacKey,
      'kask import': `${MAIN} import --config ${config}`,
      '127.0.0.1:6379': `127.0.0.1:${redis.port}`,
    };
    execFileSync('bash', ['-euo', 'pipefail', '-c', placed(documented('Without waiting', 'sh'), places)]);
  }

  async function emptyOldStore(): Promise<void> {
    if (from === 'database') return wiki.runOnCache(/`(DELETE FROM .*?)`/.exec(PAGE)?.[1] ?? '');
    expect(redis.keys()).not.toEqual([]);
    const port = { '-p 6379': `-p ${redis.port}` };
    execFileSync('bash', ['-euo', 'pipefail', '-c', placed(documented('Going back', 'sh'), port)]);
    expect(redis.keys()).toEqual([]);
  }
});

describe('each way to deploy it', () => {
  let kask: KaskProcess;

  /** Serves the wiki with the settings of these headings, and gives who is let in. */
  async function serve(headings: string[], url: Record<string, string>): Promise<string | undefined> {
    await wiki.serve(placed(headings.map((heading) => documented(heading)).join('\n'), url));
    return (await new WikiUser(wiki).logIn(wiki.admin.name, wiki.admin.password)).userName;
  }

  beforeAll(async () => {
    const { ca, serverCertificate: cert, serverKey: key } = certificates;
    kask = await KaskProcess.start({
      storage: 'embedded',
      tls: { cert, key, client_ca: ca, client_auth: 'required' },
      authentication: 'required',
      authorization: { clients: { client: { may: ['read', 'write', 'delete'], keys: ['testwiki:'] } } },
    });
  });
  afterAll(async () => {
    await wiki.stop();
    await kask?.stop();
  });

  it('shows a certificate of the wiki, without which nobody is let in', async () => {
    const url = { 'https://sessions.example:8081': kask.origin };
    expect(await serve(['The settings', 'By mutual TLS'], url)).toBe(wiki.admin.name);
    expect(wiki.sessionRequests()).toEqual(expect.arrayContaining(['GET 200', 'POST 201', 'DELETE 204']));
    expect(await serve(['The settings'], url)).toBeUndefined();
    expect(wiki.sessionComplaints().join('\n')).toContain('Failed to store');
  });

  it('leaves the certificate to a sidecar', async () => {
    const [port] = (await freePorts(1)) as [number];
    const places = {
      'port_value: 6015': `port_value: ${port}`,
      'address: sessions.example, port_value: 8081': `address: 127.0.0.1, port_value: ${new URL(kask.origin).port}`,
    };
    const directory = mkdtempSync(path.join(tmpdir(), 'kask-envoy-'));
    const file = path.join(directory, 'envoy.yaml');
    writeFileSync(file, placed(documented('By a sidecar', 'yaml'), places));
    const envoy = await EnvoyProcess.start(file);
    try {
      const url = { '127.0.0.1:6015': `127.0.0.1:${port}` };
      expect(await serve(['The settings', 'By a sidecar'], url)).toBe(wiki.admin.name);
      expect(envoy.output).not.toContain('MWSession');
    } finally {
      await envoy.stop();
      rmSync(directory, { recursive: true });
    }
  });
});
