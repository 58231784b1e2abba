import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect, promisify } from 'node:util';
import express, { type NextFunction, type Request, type Response } from 'express';
import session, { type SessionData, type SessionOptions } from 'express-session';
import { KaskStore } from '../../clients/express-session/src/kask-store.js';
import { KaskClient, KaskUnavailable } from '../../clients/typescript/src/kask-client.js';
import { CookieJar } from '../harness/cookie-jar.js';
import { freePorts } from '../harness/free-ports.js';
import { KaskProcess } from '../harness/kask.js';
import { REPOSITORY } from '../harness/repository.js';

jest.setTimeout(120_000);

declare module 'express-session' {
  interface SessionData {
    user?: string;
  }
}

const SID = 'a-secret-id';
const DEFAULT_TTL = 500;
const HOUR_MS = 3_600_000;

afterEach(() => jest.restoreAllMocks());

/** The methods of a store as promises. */
function promised(store: KaskStore) {
  return {
    get: promisify((sid: string, done: Parameters<KaskStore['get']>[1]) => store.get(sid, done)),
    set: promisify((sid: string, data: SessionData, done: () => void) => store.set(sid, data, done)),
    touch: promisify((sid: string, data: SessionData, done: () => void) => store.touch(sid, data, done)),
    destroy: promisify((sid: string, done: () => void) => store.destroy(sid, done)),
  };
}

/** A session as express-session hands it to its store: the cookie has a getter for what is left. */
function sessionOf(user: string, maxAgeMs?: number): SessionData {
  const cookie = { originalMaxAge: maxAgeMs ?? null, path: '/', httpOnly: true };
  const expires = maxAgeMs === undefined ? null : new Date(Date.now() + maxAgeMs);
  return { cookie: { ...cookie, expires }, user };
}

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => expect('success').toBe('a failure'),
    (error: unknown) => error,
  );
}

describe('the store of express-session', () => {
  let kask: KaskProcess;
  let client: KaskClient;
  let store: KaskStore;
  let asked: ReturnType<typeof promised>;

  beforeAll(async () => {
    kask = await KaskProcess.start({ storage: 'embedded', default_ttl: DEFAULT_TTL, max_ttl: 100_000 });
    client = new KaskClient({ url: `${kask.origin}/sessions/v1/` });
  });
  afterAll(async () => {
    client?.close();
    await kask?.stop();
  });
  beforeEach(async () => {
    store = new KaskStore({ client });
    asked = promised(store);
    await asked.destroy(SID);
  });

  const ttl = async (key = `sess:${SID}`): Promise<number | undefined> => (await client.get(key))?.ttl;

  it('is a store as express-session wants it, without what would need a list of all keys', () => {
    expect(store).toBeInstanceOf(session.Store);
    expect(store).toBeInstanceOf(EventEmitter);
    for (const method of ['all', 'length', 'clear']) expect(store).not.toHaveProperty(method);
  });

  it('has no session, and no error, for an id that was never stored', async () => {
    expect(await asked.get(SID)).toBeNull();
    await asked.destroy(SID);
    await asked.touch(SID, sessionOf('ada', 60_000));
    expect(await asked.get(SID)).toBeNull();
  });

  it('stores a session, replaces it and destroys it', async () => {
    await asked.set(SID, sessionOf('ada'));
    expect(await asked.get(SID)).toEqual(sessionOf('ada'));
    await asked.set(SID, sessionOf('grace'));
    expect(await asked.get(SID)).toMatchObject({ user: 'grace' });
    await asked.destroy(SID);
    expect(await asked.get(SID)).toBeNull();
  });

  it('works without callbacks', async () => {
    store.set(SID, sessionOf('ada', 60_000));
    while ((await asked.get(SID)) === null) await sleep(5);
    store.touch(SID, sessionOf('ada', 90_000_000));
    while (((await ttl()) ?? 0) <= 60) await sleep(5);
    store.destroy(SID);
    while ((await asked.get(SID)) !== null) await sleep(5);
  });

  it('keeps a session as long as its cookie, and that of a browser session as long as the service does', async () => {
    await asked.set(SID, sessionOf('ada', 60_000));
    expect(await ttl()).toBeLessThanOrEqual(60);
    await asked.set(SID, sessionOf('ada', 80_000_001));
    expect(await ttl()).toBeGreaterThan(DEFAULT_TTL);
    await asked.set(SID, sessionOf('ada'));
    expect(await ttl()).toBeLessThanOrEqual(DEFAULT_TTL);
    expect(await ttl()).toBeGreaterThan(60);
  });

  it('takes the date of a cookie as text as well', async () => {
    const stored = JSON.parse(JSON.stringify(sessionOf('ada', 60_000))) as SessionData;
    await asked.set(SID, stored);
    expect(await ttl()).toBeLessThanOrEqual(60);
  });

  it.each(['set', 'touch'] as const)('on %s has nothing for a cookie that has expired', async (method) => {
    await asked.set(SID, sessionOf('ada'));
    await asked[method](SID, sessionOf('ada', -1));
    expect(await asked.get(SID)).toBeNull();
  });

  it('renews a session without sending it, and tells what is left by the renewed expiry', async () => {
    await asked.set(SID, sessionOf('ada', 60_000));
    const set = jest.spyOn(client, 'set');
    await asked.touch(SID, sessionOf('not stored', 90_000_000));
    expect(set).not.toHaveBeenCalled();
    const { user, cookie } = (await asked.get(SID)) as SessionData;
    expect(user).toBe('ada');
    expect(Number(cookie.expires) - Date.now()).toBeGreaterThan(60_000_000);
  });

  it('renews a session that was read once a tenth of its life has passed', async () => {
    const touch = jest.spyOn(client, 'touch');
    await asked.set(SID, sessionOf('ada', HOUR_MS));
    const session = (await asked.get(SID)) as SessionData;
    await asked.touch(SID, session);
    expect(touch).not.toHaveBeenCalled();
    await client.touch(`sess:${SID}`, { ttl: 3200 });
    const older = (await asked.get(SID)) as SessionData;
    older.cookie = sessionOf('ada', HOUR_MS).cookie;
    await asked.touch(SID, older);
    expect(await ttl()).toBeGreaterThan(3200);
  });

  it('shortens the life of a session whose cookie is to end earlier', async () => {
    await asked.set(SID, sessionOf('ada', HOUR_MS));
    const session = (await asked.get(SID)) as SessionData;
    session.cookie.expires = new Date(Date.now() + 60_000);
    await asked.touch(SID, session);
    expect(await ttl()).toBeLessThanOrEqual(60);
  });

  it('keeps a browser session as long as it is told, and renews it then as any other', async () => {
    const own = promised(new KaskStore({ client, ttl: 1000 }));
    const touch = jest.spyOn(client, 'touch');
    await own.set(SID, sessionOf('ada'));
    expect(await ttl()).toBeGreaterThan(DEFAULT_TTL);
    await own.touch(SID, (await own.get(SID)) as SessionData);
    expect(touch).not.toHaveBeenCalled();
    await client.touch(`sess:${SID}`, { ttl: 600 });
    await own.touch(SID, (await own.get(SID)) as SessionData);
    expect(await ttl()).toBeGreaterThan(600);
  });

  it('takes a renewal that is over budget for one that comes later', async () => {
    const namespaces = { sessions: { keys: ['sess:*'], write_bytes_per_second: 1 } };
    const narrow = await KaskProcess.start({ storage: 'embedded', namespaces });
    const busy = new KaskClient({ url: `${narrow.origin}/sessions/v1/` });
    const own = promised(new KaskStore({ client: busy }));
    await own.set(SID, sessionOf('ada'));
    await expect(busy.touch(`sess:${SID}`)).rejects.toMatchObject({ problem: 'over_budget' });
    await own.touch(SID, sessionOf('ada'));
    expect(await failureOf(own.set(SID, sessionOf('ada')))).toMatchObject({ problem: 'over_budget' });
    busy.close();
    await narrow.stop();
  });

  it('puts its prefix before ids, and writes with the serializer that it is given', async () => {
    const serializer = {
      stringify: ({ user }: SessionData) => `user=${user}`,
      parse: (text: string) => ({ ...sessionOf(text.slice('user='.length)) }),
    };
    const own = promised(new KaskStore({ client, prefix: 'shop:', serializer }));
    await own.set(SID, sessionOf('ada'));
    expect((await client.get(`shop:${SID}`))?.value.toString()).toBe('user=ada');
    expect(await own.get(SID)).toMatchObject({ user: 'ada' });
    expect(await asked.get(SID)).toBeNull();
    await own.destroy(SID);
  });

  it('fails for a session that it cannot read, and does not show it', async () => {
    await client.set(`sess:${SID}`, 'secret: no JSON');
    const error = await failureOf(asked.get(SID));
    expect(error).toBeInstanceOf(Error);
    expect(inspect(error, { depth: Infinity })).not.toMatch(/secret/);
  });

  it('has an error for every call in an outage, that express-session takes for no absence', async () => {
    const [port] = await freePorts(1);
    const nobody = new KaskClient({ url: `http://127.0.0.1:${port}/sessions/v1/`, retries: 0 });
    const down = promised(new KaskStore({ client: nobody }));
    // Only what would have been renewed is not lost yet.
    await down.touch(SID, sessionOf('ada'));
    const calls = [down.get(SID), down.set(SID, sessionOf('ada')), down.destroy(SID)];
    for (const call of calls) {
      const error = await failureOf(call);
      expect(error).toBeInstanceOf(KaskUnavailable);
      // It lets a request go on without a session for one that says ENOENT.
      expect(error).not.toHaveProperty('code');
      expect(inspect(error, { depth: Infinity, showHidden: true })).not.toMatch(/a-secret/);
    }
  });

  it('shows no client, key or certificate where it is logged', () => {
    expect(inspect(store, { depth: Infinity, showHidden: true })).not.toMatch(/sess:|KaskClient/);
  });
});

describe.each([false, true])('express-session on the store, atomic: %s', (atomic) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-express-'));
  let kask: KaskProcess;
  let client: KaskClient;
  let server: Server;
  let origin: string;
  /** What came to the error handler, be it after the answer. */
  let failures: string[];
  /** What happens after the session was read, and before a page does its work. */
  let meanwhile: () => Promise<unknown>;

  const start = async (port = 0): Promise<KaskProcess> =>
    KaskProcess.start({
      storage: 'embedded',
      embedded: { path: directory },
      listen_port: port,
      namespaces: { sessions: { keys: ['sess:*'], atomic } },
    });

  beforeAll(async () => {
    kask = await start();
    client = new KaskClient({ url: `${kask.origin}/sessions/v1/`, retries: 0 });
    await listen({});
  });
  beforeEach(() => {
    meanwhile = () => Promise.resolve();
    failures = [];
  });
  afterAll(async () => {
    hangUp();
    client?.close();
    await kask?.stop();
    rmSync(directory, { recursive: true });
  });

  async function listen(options: Partial<SessionOptions>): Promise<void> {
    server = application(new KaskStore({ client, atomic }), options).listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  function hangUp(): void {
    server?.closeAllConnections();
    server?.close();
  }

  function application(store: KaskStore, options: Partial<SessionOptions>) {
    const app = express();
    const cookie = { maxAge: HOUR_MS };
    app.use(session({ store, secret: 's', resave: false, saveUninitialized: false, cookie, ...options }));
    app.use(async (_request: Request, _response: Response, next: NextFunction) => {
      await meanwhile();
      next();
    });
    app.get('/', ({ session }, response) => void response.json({ user: session.user ?? null }));
    app.post('/login/:user', (request, response, next) => {
      request.session.regenerate((error) => {
        if (error) return next(error);
        request.session.user = request.params.user;
        request.session.save((error) => (error ? next(error) : response.sendStatus(204)));
      });
    });
    // As careless as the example of express-session: it goes on after an error.
    app.post('/careless/:user', (request, response, next) => {
      request.session.regenerate((error) => {
        if (error) next(error);
        request.session.user = request.params.user;
        request.session.save(() => response.headersSent || response.sendStatus(204));
      });
    });
    app.post('/name/:user', ({ session, params }, response, next) => {
      session.user = params.user;
      session.save((error) => (error ? next(error) : response.sendStatus(204)));
    });
    app.post('/short', ({ session }, response) => {
      session.cookie.maxAge = 1000;
      session.user = 'short';
      response.sendStatus(204);
    });
    app.post('/logout', (request, response, next) => {
      request.session.destroy((error) => (error ? next(error) : response.sendStatus(204)));
    });
    app.post('/reload', ({ session }, response, next) => {
      session.user = 'not saved';
      session.reload((error) => (error ? next(error) : response.sendStatus(204)));
    });
    app.use((error: Error, _request: Request, response: Response, _next: NextFunction) => {
      failures.push(error.name);
      if (!response.headersSent) response.status(503).json({ error: error.name });
    });
    return app;
  }

  /** The status, and what the answer says. */
  async function visit(jar: CookieJar, target: string, method = 'GET'): Promise<[number, unknown]> {
    const response = await fetch(origin + target, { method, headers: { cookie: jar.header() } });
    jar.keep(response);
    const text = await response.text();
    return [response.status, text && (JSON.parse(text) as unknown)];
  }

  it('logs in, stays so, and logs out', async () => {
    const jar = new CookieJar();
    expect(await visit(jar, '/')).toEqual([200, { user: null }]);
    expect(jar.header()).toBe('');
    await visit(jar, '/login/ada', 'POST');
    const stolen = jar.copy();
    expect(await visit(jar, '/')).toEqual([200, { user: 'ada' }]);
    expect(await visit(new CookieJar(), '/')).toEqual([200, { user: null }]);
    expect(await visit(jar, '/reload', 'POST')).toEqual([204, '']);
    expect(await visit(jar, '/')).toEqual([200, { user: 'ada' }]);
    expect(await visit(jar, '/logout', 'POST')).toEqual([204, '']);
    expect(await visit(stolen, '/')).toEqual([200, { user: null }]);
  });

  it('has a new id after a login, and none under the old', async () => {
    const jar = new CookieJar();
    await visit(jar, '/login/ada', 'POST');
    const before = jar.copy();
    await visit(jar, '/login/grace', 'POST');
    expect(jar.header()).not.toBe(before.header());
    expect(await visit(before, '/')).toEqual([200, { user: null }]);
    expect(await visit(jar, '/')).toEqual([200, { user: 'grace' }]);
  });

  const keyOf = (jar: CookieJar): string => {
    const [, sid = ''] = /^s:(.+)\./.exec(decodeURIComponent(jar.get('connect.sid') ?? '')) ?? [];
    return `sess:${sid}`;
  };

  it('only touches what a request did not change, once a tenth of its life has passed', async () => {
    const jar = new CookieJar();
    await visit(jar, '/login/ada', 'POST');
    const set = jest.spyOn(client, 'set');
    const touch = jest.spyOn(client, 'touch');
    await visit(jar, '/');
    expect(touch).not.toHaveBeenCalled();
    await client.touch(keyOf(jar), { ttl: 3200 });
    await visit(jar, '/');
    expect(touch).toHaveBeenLastCalledWith(keyOf(jar), { ttl: 3600 });
    expect(set).not.toHaveBeenCalled();
    expect((await client.get(keyOf(jar)))?.ttl).toBeGreaterThan(3200);
  });

  it('changes a session again and again', async () => {
    const jar = new CookieJar();
    await visit(jar, '/name/ada', 'POST');
    expect(await visit(jar, '/name/grace', 'POST')).toEqual([204, '']);
    expect(await visit(jar, '/name/mary', 'POST')).toEqual([204, '']);
    expect(await visit(jar, '/')).toEqual([200, { user: 'mary' }]);
  });

  it(`${atomic ? 'does not bring' : 'brings'} back by a slow request who logged out meanwhile`, async () => {
    const jar = new CookieJar();
    await visit(jar, '/login/ada', 'POST');
    const other = jar.copy();
    meanwhile = async () => {
      meanwhile = () => Promise.resolve();
      await visit(other, '/logout', 'POST');
    };
    const late = await visit(jar, '/name/slow', 'POST');
    expect(late).toEqual(atomic ? [503, { error: 'KaskConflict' }] : [204, '']);
    expect(await visit(jar, '/')).toEqual([200, { user: atomic ? null : 'slow' }]);
  });

  it.each([false, true])(
    'keeps the cookie where regenerate fails in an outage, rolling: %s',
    async (rolling) => {
      hangUp();
      await listen({ rolling });
      const jar = new CookieJar();
      await visit(jar, '/login/ada', 'POST');
      const port = Number(new URL(kask.origin).port);
      meanwhile = () => kask.kill();
      const response = await fetch(`${origin}/login/grace`, {
        method: 'POST',
        headers: { cookie: jar.header() },
      });
      expect([response.status, response.headers.getSetCookie()]).toEqual([503, []]);
      meanwhile = () => Promise.resolve();
      kask = await start(port);
      expect(await visit(jar, '/')).toEqual([200, { user: 'ada' }]);
      hangUp();
      await listen({});
    },
  );

  it('logs nobody in under the old id where regenerate fails and nobody looks', async () => {
    const jar = new CookieJar();
    await visit(jar, '/name/planted', 'POST');
    const planted = jar.copy();
    jest.spyOn(client, 'delete').mockRejectedValueOnce(new KaskUnavailable('away for a moment', true));
    expect(await visit(jar, '/careless/ada', 'POST')).toEqual([503, { error: 'KaskUnavailable' }]);
    expect(jar.header()).toBe(planted.header());
    expect(await visit(planted, '/')).toEqual([200, { user: 'planted' }]);
    expect(await visit(jar, '/careless/ada', 'POST')).toEqual([204, '']);
    expect(await visit(jar, '/')).toEqual([200, { user: 'ada' }]);
    expect(await visit(planted, '/')).toEqual([200, { user: null }]);
  });

  it('goes on under a new id where the delete of the old one is pending', async () => {
    const jar = new CookieJar();
    await visit(jar, '/login/ada', 'POST');
    const before = jar.header();
    const pending = new KaskUnavailable('pending', true, { status: 503, problem: 'delete_pending' });
    jest.spyOn(client, 'delete').mockRejectedValueOnce(pending);
    await visit(jar, '/careless/grace', 'POST');
    expect(jar.header()).not.toBe(before);
  });

  it('shows a page that only read, though its session cannot be renewed', async () => {
    const jar = new CookieJar();
    await visit(jar, '/login/ada', 'POST');
    await client.touch(keyOf(jar), { ttl: 3200 });
    const port = Number(new URL(kask.origin).port);
    meanwhile = () => kask.kill();
    expect(await visit(jar, '/')).toEqual([200, { user: 'ada' }]);
    meanwhile = () => Promise.resolve();
    kask = await start(port);
    expect(await visit(jar, '/')).toEqual([200, { user: 'ada' }]);
    expect(failures).toEqual([]);
  });

  it('lets a session end with its cookie', async () => {
    const jar = new CookieJar();
    await visit(jar, '/short', 'POST');
    // Each visit would renew it, so there is none meanwhile.
    await sleep(2500);
    expect(await visit(jar, '/')).toEqual([200, { user: null }]);
  });

  it('tells an outage as one, and knows everybody afterwards', async () => {
    const jar = new CookieJar();
    await visit(jar, '/login/ada', 'POST');
    const cookies = jar.header();
    const port = Number(new URL(kask.origin).port);
    await kask.stop();
    expect(await visit(jar, '/')).toEqual([503, { error: 'KaskUnavailable' }]);
    expect(await visit(new CookieJar(), '/login/grace', 'POST')).toEqual([503, { error: 'KaskUnavailable' }]);
    expect(await visit(jar, '/logout', 'POST')).toEqual([503, { error: 'KaskUnavailable' }]);
    expect(jar.header()).toBe(cookies);
    kask = await start(port);
    expect(await visit(jar, '/')).toEqual([200, { user: 'ada' }]);
  });
});

describe('the example of a login', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-login-'));
  let kask: KaskProcess;
  let application: ChildProcess | undefined;
  let origin: string;

  const startKask = (port = 0): Promise<KaskProcess> =>
    KaskProcess.start({ storage: 'embedded', embedded: { path: directory }, listen_port: port });

  async function startApplication(): Promise<void> {
    const server = path.join(REPOSITORY, 'clients/express-session/examples/login/server.js');
    const env = { ...process.env, KASK_URL: `${kask.origin}/sessions/v1/`, PORT: '0' };
    application = spawn(process.execPath, [server], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(application.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    origin = line.toString().trim();
  }

  async function stopApplication(): Promise<void> {
    if (!application) return;
    const ended = once(application, 'exit');
    application.kill();
    await ended;
  }

  beforeAll(async () => {
    execFileSync('npm', ['run', '--silent', 'build:clients'], { cwd: REPOSITORY, stdio: 'inherit' });
    kask = await startKask();
    await startApplication();
  });
  afterAll(async () => {
    await stopApplication();
    await kask?.stop();
    rmSync(directory, { recursive: true });
  });

  async function visit(jar: CookieJar, target: string, form?: Record<string, string>): Promise<string> {
    const response = await fetch(origin + target, {
      method: form ? 'POST' : 'GET',
      redirect: 'manual',
      headers: { cookie: jar.header() },
      ...(form && { body: new URLSearchParams(form) }),
    });
    jar.keep(response);
    return `${response.status} ${await response.text()}`;
  }

  const ADA = { user: 'ada', password: 'correct horse battery staple' };

  it('lets in who knows the password, through restarts and outages, until the logout', async () => {
    const jar = new CookieJar();
    expect(await visit(jar, '/')).toMatch(/^200 [^]*name="password"/);
    expect(await visit(jar, '/login', { ...ADA, password: 'wrong' })).toMatch(/^403 /);
    expect(jar.header()).toBe('');
    expect(await visit(jar, '/login', ADA)).toMatch(/^302 /);
    const home = await visit(jar, '/');
    expect(home).toMatch(/^200 [^]*ada is logged in since 20/);

    await stopApplication();
    await startApplication();
    expect(await visit(jar, '/')).toBe(home);

    const port = Number(new URL(kask.origin).port);
    await kask.stop();
    expect(await visit(jar, '/')).toMatch(/^503 [^]*nobody is logged out/);
    expect(await visit(new CookieJar(), '/login', ADA)).toMatch(/^503 /);
    const cookies = jar.header();
    expect(await visit(jar, '/login', ADA)).toMatch(/^503 /);
    expect(jar.header()).toBe(cookies);
    kask = await startKask(port);
    expect(await visit(jar, '/')).toBe(home);

    const stolen = jar.copy();
    expect(await visit(jar, '/logout', {})).toMatch(/^302 /);
    expect(await visit(jar, '/')).toMatch(/^200 [^]*name="password"/);
    expect(await visit(stolen, '/')).toMatch(/^200 [^]*name="password"/);
  });
});
