import { openBackend, type SessionBackend } from '../harness/session-backend.js';
import { KaskProcess } from '../harness/kask.js';
import { MediaWiki, type SessionClient } from '../harness/mediawiki.js';
import { requestCounts, tally } from '../harness/request-counts.js';
import { type WikiPage, WikiUser } from '../harness/wiki-user.js';

jest.setTimeout(120_000);

const SCENARIOS = (['embedded', 'cassandra'] as const).flatMap((store) => [
  { store, writeMethod: 'POST', serialization: 'JSON' } as const,
  { store, writeMethod: 'PUT', serialization: 'PHP' } as const,
]);

let wiki: MediaWiki;

beforeAll(async () => {
  wiki = await MediaWiki.install();
});
afterAll(() => wiki?.remove());

describe.each(SCENARIOS)('MediaWiki with $writeMethod on the $store store', (scenario) => {
  const { store, writeMethod, serialization } = scenario;
  const title = `Written with ${writeMethod} on ${store}`;
  const text = `These words outlive the session ${Date.now()}.`;
  let backend: SessionBackend;
  let kask: KaskProcess;
  let user: WikiUser;
  let key: string;
  const asked: string[] = [];

  /** A request of our own for the session's row, remembered for the count of requests. */
  async function ask(method: 'GET' | 'HEAD'): Promise<Response> {
    const response = await fetch(kask.url(key), { method });
    asked.push(`${method} ${response.status}`);
    return response;
  }

  beforeAll(async () => {
    backend = await openBackend(store);
    kask = await KaskProcess.start(backend.settings);
    await wiki.serve(clientOf(kask, writeMethod, serialization));
    user = new WikiUser(wiki);
  });
  afterAll(async () => {
    await wiki.stop();
    await kask?.stop();
    await backend?.close();
  });

  it('logs a person in', async () => {
    const page = await user.logIn(wiki.admin.name, wiki.admin.password);
    expect(page).toMatchObject({ status: 200, userName: wiki.admin.name });
    expect((await user.read('Special:Preferences')).text).toContain('User profile');
    key = user.sessionKey();
  });

  it("saves the person's edit under the person's name", async () => {
    const page = await user.edit(title, text);
    expect(page).toMatchObject({ status: 200, userName: wiki.admin.name });
    expect(page.text).toContain(text);
    expect(authorsOf(await user.read(title, { action: 'history' }))).toEqual([wiki.admin.name]);
  });

  it('keeps the session under the key that the cookie names', async () => {
    const row = await ask('GET');
    expect(row.status).toBe(200);
    expect(row.headers.get('content-type')).toBe('application/octet-stream');
    const value = Buffer.from(await row.arrayBuffer());
    expect(value.toString()).toMatch(new RegExp(`^${serialization}\\.[\\w+/]{43}=\\..*wsUserName`, 's'));
    const head = await ask('HEAD');
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(value.length)]);
    if (backend.select) expect(await backend.select(key)).toEqual(value);
  });

  it('ends the session when the person logs out', async () => {
    const thief = user.twin();
    expect((await thief.read(title)).userName).toBe(wiki.admin.name);
    const page = await user.logOut();
    expect(page.text).toContain('You are now logged out');
    expect(page.userName).toBeUndefined();
    const refused = await thief.read('Special:Preferences');
    expect(refused.text).toContain('Please log in to change your preferences');
    expect(refused.userName).toBeUndefined();
    expect((await ask('GET')).status).toBe(404);
    expect(await backend.select?.(key)).toBeUndefined();
  });

  it('answered what the wiki asked, and counted every request', async () => {
    const requests = tally(wiki.sessionRequests());
    const counts = Object.entries(requests).map(([request, count]) => `${request} × ${count}`);
    console.log(`MediaWiki, ${writeMethod}, ${store}: ${counts.join(', ')}`);
    expect(Object.keys(requests)).toEqual(['DELETE 204', 'GET 200', 'GET 404', `${writeMethod} 201`].sort());
    // At login the visitor's session gives way to one with a new name; at logout that one goes too, and is then
    // asked for once more by its old cookie.
    expect(requests).toMatchObject({ 'DELETE 204': 2, 'GET 404': 1 });
    expect(await requestCounts(kask)).toEqual(tally([...wiki.sessionRequests(), ...asked]));
  });

  it('gave the wiki nothing to complain about', () => {
    expect(wiki.sessionComplaints()).toEqual([]);
    expect(wiki.errors()).toEqual([]);
  });
});

describe.each(['embedded', 'cassandra'] as const)(
  'MediaWiki while the service on the %s store is down',
  (store) => {
    let backend: SessionBackend;
    let kask: KaskProcess;
    let user: WikiUser;

    beforeAll(async () => {
      backend = await openBackend(store);
      kask = await KaskProcess.start(backend.settings);
      await wiki.serve(clientOf(kask, 'POST', 'JSON'));
      user = new WikiUser(wiki);
      await user.logIn(wiki.admin.name, wiki.admin.password);
      await kask.kill();
    });
    afterAll(async () => {
      await wiki.stop();
      await kask?.kill();
      await backend?.close();
    });

    it('takes everybody for a visitor and says so in its log', async () => {
      const page = await user.twin().read('Main Page');
      expect(page).toMatchObject({ status: 200, userName: undefined });
      expect(wiki.sessionComplaints().join('\n')).toContain(`Failed to fetch ${user.sessionKey()} : (0)`);
    });

    it('refuses a login with a reason that a person can read', async () => {
      const page = await new WikiUser(wiki).logIn(wiki.admin.name, wiki.admin.password);
      expect(page).toMatchObject({ status: 200, userName: undefined });
      expect(page.text).toContain('There seems to be a problem with your login session');
      expect(wiki.errors()).toEqual([]);
    });

    it('knows the person again once the service is back', async () => {
      kask = await KaskProcess.start({ ...backend.settings, listen_port: Number(new URL(kask.origin).port) });
      expect((await user.read('Main Page')).userName).toBe(wiki.admin.name);
    });
  },
);

function clientOf(
  kask: KaskProcess,
  writeMethod: SessionClient['writeMethod'],
  serialization: SessionClient['serialization'],
): SessionClient {
  return { sessionsUrl: `${kask.origin}${kask.path('')}`, writeMethod, serialization };
}

function authorsOf(history: WikiPage): string[] {
  const links = history.html.matchAll(/<a [^>]*class="[^"]*mw-userlink[^"]*"[^>]*><bdi>(.*?)<\/bdi>/g);
  return [...links].map(([, name]) => name as string);
}
