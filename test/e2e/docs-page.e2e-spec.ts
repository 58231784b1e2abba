import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { startChromium, WatchedTab } from '../harness/browser.js';
import { sharedCassandra } from '../harness/cassandra/cluster-of-the-run.js';
import { KaskProcess } from '../harness/kask.js';
import { exchange } from '../harness/raw-http.js';
import { openBackend } from '../harness/session-backend.js';

// A browser on a machine that does other things as well.
jest.setTimeout(120_000);

const EMBEDDED = { storage: 'embedded', docs_page: true, log_level: 'debug' };
const MANAGEMENT = { listen_address: '127.0.0.1', listen_port: 0 };
const PATHS = ['/docs', '/docs/page.css', '/docs/page.js', '/docs/state'];
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 360, height: 740 };
const ATTACK = '<img src=x onerror="alert(1)"><script>alert(2)</script>';

let browser: Browser;
let kask: KaskProcess;

beforeAll(async () => {
  browser = await startChromium();
  kask = await KaskProcess.start(EMBEDDED);
});
afterAll(async () => {
  await browser?.close();
  await kask?.stop();
});

function open(options = {}, of = kask): Promise<WatchedTab> {
  return WatchedTab.open(browser, `${of.management || of.origin}/docs`, { viewport: WIDE, ...options });
}

/** Presses a button, and resolves with what the page says once there is an answer. */
async function press({ page }: WatchedTab, name: string): Promise<string> {
  await page.getByRole('button', { name, exact: true }).click();
  return outcome(page);
}

async function outcome(page: WatchedTab['page']): Promise<string> {
  await page.waitForSelector('#outcome.good, #outcome.bad');
  return page.innerText('#outcome');
}

async function write({ page }: WatchedTab, fields: Record<string, string>): Promise<void> {
  for (const [label, text] of Object.entries(fields))
    await page.getByRole('textbox', { name: label, exact: true }).fill(text);
}

describe('the page', () => {
  it.each([
    ['wide', WIDE, 'light'],
    ['narrow', NARROW, 'dark'],
  ] as const)('%s, has nothing that axe-core minds', async (name, viewport, colorScheme) => {
    const tab = await open({ viewport, colorScheme, hasTouch: viewport === NARROW });
    await write(tab, { Key: 'wiki:MWSession:alice', Value: '{"user":"Alice"}\n'.repeat(60) });
    await press(tab, 'Store');
    expect(await press(tab, 'Read')).toMatch(/^200 · Read 1,020 bytes/);
    await tab.page.waitForSelector('#ready.good');
    expect(await tab.axe()).toEqual([]);
    expect(await tab.page.evaluate('document.documentElement.scrollWidth')).toBe(viewport.width);
    await tab.screenshot(`docs-${name}`);

    await write(tab, { Key: 'nobody' });
    expect(await press(tab, 'Read')).toMatch(/^404 · Not found/);
    await tab.page.getByText('Conditions').click();
    await tab.page
      .locator('.operation summary')
      .filter({ hasText: /^\s*POST/ })
      .click();
    expect(await tab.axe()).toEqual([]);
    expect(await tab.page.evaluate('document.documentElement.scrollWidth')).toBe(viewport.width);
    await tab.screenshot(`docs-${name}-unfolded`);
    expect(tab.wrongs).toEqual([]);
    await tab.close();
  });
});

describe('by the keyboard alone', () => {
  it('a session is stored, read, renewed and deleted', async () => {
    const tab = await open();
    const { keyboard } = tab.page;
    const pressButton = async (method: string): Promise<string> => {
      await tab.tabTo(`button[value=${method}]`);
      await keyboard.press('Space');
      return outcome(tab.page);
    };
    await tab.tabTo('a.skip');
    await keyboard.press('Enter');
    await tab.tabTo('#key');
    await keyboard.type('by hand: ä/ö');
    await tab.tabTo('#value');
    await keyboard.type('a session of Alice');
    await tab.tabTo('#ttl');
    await keyboard.type('7200');
    expect(await pressButton('PUT')).toMatch(/^201 · Stored/);
    expect(await (await fetch(kask.url('by hand: ä/ö'))).text()).toBe('a session of Alice');
    await tab.page.focus('#key');
    await keyboard.press('Enter');
    expect(await outcome(tab.page)).toMatch(/^200 · Read 18 bytes, expires in (2 h|1 h 59 min) · /);
    expect(await tab.page.innerText('#shown-value')).toBe('a session of Alice');
    await tab.page.focus('#ttl');
    await keyboard.press('Control+A');
    await keyboard.type('172800');
    expect(await pressButton('PATCH')).toMatch(/^204 · Renewed, expires in 2 d · /);
    expect(await pressButton('DELETE')).toMatch(/^204 · Deleted/);
    expect((await fetch(kask.url('by hand: ä/ö'))).status).toBe(404);
    expect(tab.wrongs).toEqual([]);
    await tab.close();
  });
});

describe('the form', () => {
  let tab: WatchedTab;
  beforeAll(async () => (tab = await open()));
  afterAll(async () => {
    expect(tab.wrongs).toEqual([]);
    await tab.close();
  });

  it('stores bytes that are written in hexadecimal, shows them so, and gives them for download', async () => {
    await write(tab, { Key: 'bytes', Value: '00 ff\nC3' });
    await tab.page.getByLabel('Hex').check();
    expect(await press(tab, 'Store')).toMatch(/^201/);
    await press(tab, 'Read');
    expect(await tab.page.innerText('#shown-value')).toBe('00000  00 ff c3');
    const download = tab.page.waitForEvent('download');
    await tab.page.getByRole('link', { name: 'Download' }).click();
    expect([...readFileSync(await (await download).path())]).toEqual([0x00, 0xff, 0xc3]);
    expect((await download).suggestedFilename()).toBe('session.bin');
    await write(tab, { Value: '0g' });
    expect(await press(tab, 'Store')).toContain('not in hexadecimal');
    await tab.page.getByLabel('Text').check();
  });

  it('shows text as bytes if asked, and the beginning of what is long', async () => {
    const value = 'ä'.repeat(40_000);
    await fetch(kask.url('long'), { method: 'PUT', body: value });
    await write(tab, { Key: 'long' });
    expect(await press(tab, 'Read')).toContain('Read 80,000 bytes');
    expect(await tab.page.textContent('#shown-value')).toBe(`${value}\n… the download has the rest`);
    await tab.page.getByRole('button', { name: 'Show as hex' }).click();
    const [first, ...others] = (await tab.page.innerText('#shown-value')).split('\n');
    expect(first).toBe(`00000  ${'c3 a4 '.repeat(8).trim()}`);
    expect(others).toHaveLength(65_536 / 16);
  });

  it('sends conditions, and the ETag of the answer before', async () => {
    await fetch(kask.url('etag'), { method: 'PUT', body: 'x' });
    await write(tab, { Key: 'etag' });
    await press(tab, 'Read');
    await tab.page.getByText('Conditions').click();
    await tab.page.getByRole('button', { name: 'Put the last ETag into If-Match' }).click();
    const etag = await tab.page.getByLabel('If-Match', { exact: true }).inputValue();
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    await write(tab, { 'If-Match': '', 'If-None-Match': etag });
    expect(await press(tab, 'Read')).toMatch(/^304 · Not modified/);
    await write(tab, { 'If-None-Match': '*' });
    expect(await press(tab, 'Store')).toMatch(/^400 · /);
    await write(tab, { 'If-None-Match': '' });
  });

  it.each(['.', '..'])('says that browsers cannot ask for %s', async (key) => {
    await write(tab, { Key: key });
    expect(await press(tab, 'Delete')).toContain('Browsers cannot ask');
  });

  it('asks for nothing without a key', async () => {
    await write(tab, { Key: '' });
    await tab.page.getByRole('button', { name: 'Delete' }).click();
    expect(await tab.page.evaluate(`document.activeElement.matches('#key:invalid')`)).toBe(true);
  });
});

describe('what is stored', () => {
  it('is text to the page, whatever it looks like', async () => {
    const tab = await open();
    await write(tab, { Key: ATTACK, Value: ATTACK });
    await press(tab, 'Store');
    expect(await press(tab, 'Read')).toMatch(/^200/);
    expect(await tab.page.innerText('#shown-value')).toBe(ATTACK);
    expect(tab.wrongs).toEqual([]);
    await tab.close();
  });

  it('leaves nothing behind: no address, no storage of the browser, no line in the log', async () => {
    const tab = await open();
    await write(tab, { Key: 'a-secret-key', Value: 'a-secret-value' });
    await press(tab, 'Store');
    await press(tab, 'Read');
    expect(tab.page.url()).toBe(`${kask.origin}/docs`);
    await tab.page.reload();
    const kept = `JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state])`;
    expect(await tab.page.evaluate(kept)).toBe('[{},{},"",null]');
    expect(await tab.page.inputValue('#key')).toBe('');
    expect(await tab.page.inputValue('#value')).toBe('');
    expect(await tab.page.content()).not.toContain('a-secret');
    expect(kask.stdout + kask.stderr).not.toContain('a-secret');
    await tab.close();
  });
});

describe('a problem', () => {
  it('is shown readably, and as text whatever it says', async () => {
    const tab = await open();
    const problem = { type: 'about:blank', title: ATTACK, detail: ATTACK, [ATTACK]: ATTACK };
    await tab.page.route('**/sessions/v1/*', (route) =>
      route.fulfill({
        status: 503,
        contentType: 'application/problem+json',
        headers: { 'retry-after': '7' },
        body: JSON.stringify(problem),
      }),
    );
    await write(tab, { Key: 'any' });
    expect(await press(tab, 'Read')).toContain(ATTACK);
    expect(await tab.page.innerText('#problem h3')).toBe(ATTACK);
    expect(await tab.page.innerText('#problem p')).toBe(ATTACK);
    expect(await tab.page.innerText('#headers')).toMatch(/retry-after\s+7/);
    await tab.page.unroute('**/sessions/v1/*');
    await tab.page.route('**/sessions/v1/*', (route) =>
      route.fulfill({ status: 502, contentType: 'application/problem+json', body: 'no JSON' }),
    );
    expect(await press(tab, 'Read')).toMatch(/^502/);
    expect(tab.wrongs).toEqual([]);
    await tab.close();
  });

  it('of a service that is gone is told as one', async () => {
    const going = await KaskProcess.start(EMBEDDED);
    const tab = await open({}, going);
    await going.stop();
    await write(tab, { Key: 'any' });
    expect(await press(tab, 'Read')).toContain('No answer came');
    await tab.page.waitForSelector('#ready.bad');
    expect(await tab.page.innerText('#ready')).toBe('No answer');
    await tab.close();
  });
});

describe('openapi_spec', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-docs-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  async function openWith(document: string): Promise<{ tab: WatchedTab; own: KaskProcess }> {
    const openapi_spec = path.join(directory, 'openapi.yaml');
    writeFileSync(openapi_spec, document);
    const own = await KaskProcess.start({ ...EMBEDDED, openapi_spec });
    return { tab: await open({}, own), own };
  }

  it('may hold what it likes: it is text', async () => {
    const get = { summary: ATTACK, description: ATTACK, responses: { 200: { description: ATTACK } } };
    const document = { info: { title: `${ATTACK}</title>` }, paths: { [`/${ATTACK}`]: { get } } };
    const { tab, own } = await openWith(JSON.stringify(document));
    expect(await tab.page.innerText('h1')).toBe(`${ATTACK}</title>`);
    await tab.page.locator('.operation summary').click();
    expect(await tab.page.innerText('.operation')).toContain(ATTACK);
    expect(await tab.page.locator('img, script:not([src])').count()).toBe(0);
    expect(tab.wrongs).toEqual([]);
    await tab.close();
    await own.stop();
  });

  it('that cannot be read is said to be so, and the form works', async () => {
    const { tab, own } = await openWith(`a: b: ${ATTACK}`);
    expect(await tab.page.innerText('.reference .fault')).toContain('openapi_spec');
    await write(tab, { Key: 'a', Value: 'b' });
    expect(await press(tab, 'Store')).toMatch(/^201/);
    expect(await tab.axe()).toEqual([]);
    expect(tab.wrongs).toEqual([]);
    await tab.close();
    await own.stop();
  });
});

describe('the state of the service', () => {
  it('is shown, with why it is not ready', async () => {
    const away = await KaskProcess.start({
      docs_page: true,
      // Port 1 of this machine refuses connections.
      cassandra: { hosts: ['127.0.0.1'], port: 1, local_dc: 'dc1', connect_timeout_ms: 500 },
    });
    const tab = await open({}, away);
    await tab.page.waitForSelector('#ready.bad');
    expect(await tab.page.innerText('#ready')).toBe('Not ready');
    expect(await tab.page.innerText('#reasons')).toMatch(/^storage: not connected to Cassandra/);
    expect(await tab.page.innerText('#storage')).toBe('Cassandra');
    await write(tab, { Key: 'any' });
    expect(await press(tab, 'Read')).toMatch(/^503 · Service unavailable/);
    await tab.close();
    await away.stop();
  });

  it('has the datacenters of Cassandra, and which of them is ours', async () => {
    const backend = await openBackend('cassandra');
    const { datacenter } = sharedCassandra();
    const onCassandra = await KaskProcess.start({ ...backend.settings, docs_page: true });
    const tab = await open({}, onCassandra);
    await tab.page.waitForSelector('#ready.good');
    const { datacenters } = (await (await fetch(`${onCassandra.origin}/docs/state`)).json()) as {
      datacenters: { name: string; nodes: number; up: number }[];
    };
    expect(datacenters).toContainEqual(expect.objectContaining({ name: datacenter, local: true }));
    for (const { name, nodes, up } of datacenters)
      expect(await tab.page.innerText('#datacenters')).toContain(`${name}: ${up} of ${nodes} nodes up`);
    expect(await tab.page.innerText('#storage')).toBe('Cassandra');
    expect(tab.wrongs).toEqual([]);
    await tab.close();
    await onCassandra.stop();
    await backend.close();
  });

  it('is JSON', async () => {
    const state: unknown = await (await fetch(`${kask.origin}/docs/state`)).json();
    const { version } = JSON.parse(readFileSync(path.resolve(__dirname, '../../package.json'), 'utf8')) as {
      version: string;
    };
    expect(state).toEqual({ version, storage: 'embedded', datacenters: [], ready: true, reasons: [] });
  });
});

describe('docs_page', () => {
  it('is off unless it is set: nothing is there, on either port', async () => {
    const plain = await KaskProcess.start({ storage: 'embedded', management: MANAGEMENT });
    for (const origin of [plain.origin, plain.management])
      for (const target of PATHS) expect((await exchange(origin, { target })).status).toBe(404);
    expect((await exchange(plain.management, { target: plain.path('a') })).status).toBe(404);
    await plain.stop();
  });

  it('is on the management port where there is one, which has sessions then, and the first port has no page', async () => {
    const managed = await KaskProcess.start({ ...EMBEDDED, management: MANAGEMENT });
    for (const target of PATHS) {
      expect((await exchange(managed.management, { target })).status).toBe(200);
      expect((await exchange(managed.origin, { target })).status).toBe(404);
    }
    const tab = await open({}, managed);
    await write(tab, { Key: 'a', Value: 'by the second port' });
    expect(await press(tab, 'Store')).toMatch(/^201/);
    expect(await (await fetch(managed.url('a'))).text()).toBe('by the second port');
    expect((await exchange(managed.management, { target: '/top' })).status).toBe(200);
    expect(tab.wrongs).toEqual([]);
    await tab.close();
    await managed.stop();
  });

  it('lets nobody to sessions by the management port who may not come by the first', async () => {
    const guarded = await KaskProcess.start({
      ...EMBEDDED,
      management: MANAGEMENT,
      authorization: { clients: { 'mediawiki.example': { may: ['read'] } } },
    });
    const tab = await open({}, guarded);
    await write(tab, { Key: 'a', Value: 'b' });
    expect(await press(tab, 'Read')).toMatch(/^401 · Not authorized/);
    const neighbour = { 'X-Forwarded-Client-Cert': 'DNS=mediawiki.example' };
    const asNeighbour = { method: 'PUT', target: guarded.path('a'), headers: neighbour, body: 'x' };
    expect((await exchange(guarded.management, asNeighbour)).status).toBe(403);
    await tab.close();
    await guarded.stop();
  });

  it('answers GET and HEAD alone', async () => {
    for (const target of PATHS) {
      expect((await exchange(kask.origin, { method: 'HEAD', target })).status).toBe(200);
      const { status, headers } = await exchange(kask.origin, { method: 'POST', target, body: 'x' });
      expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
    }
  });

  it('serves it with a policy that lets nothing in', async () => {
    const { headers } = await exchange(kask.origin, { target: '/docs' });
    expect(headers['content-security-policy']).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
  });
});
