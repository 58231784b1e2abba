import { createHash } from 'node:crypto';
import { openBackend, type SessionBackend } from '../harness/session-backend.js';
import { KaskProcess } from '../harness/kask.js';
import { type ClientResult, MediaWiki, type SessionClient } from '../harness/mediawiki.js';

jest.setTimeout(120_000);

const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
// The largest value that the test suite of MediaWiki's object caches writes.
const LARGE = 'kask'.repeat(2_129_920 / 4);

// Of the client's own test suite, of extensions, and with everything that means something in a URL.
const KEYS = [
  'testwiki:MWSession:g1mvh4akca3ajnqr21fb70suul3peqlj',
  'global:session:centralauth:0123456789abcdef0123456789abcdef',
  'global:echo:seen:alert:time:1',
  `Parser's_"broken"_+_(page)_&_grill`,
  'testwiki:MWSession:x:lock',
  'a/b?c#d%2Fe%zz f\\g;h=i,j@k$l!m*n~o..p',
  'Füchse_und_狐_🦊',
];

// Strings travel as {"base64": …}. `false` is missing: the client has it for "not there".
const VALUES: unknown[] = [
  bytes('Ada Lovelace'),
  bytes(''),
  bytes('0'),
  0,
  -1.5,
  null,
  true,
  [],
  { data: { wsUserID: 1, wsUserName: bytes('Žofie "Q" \\ 狐') }, metadata: { expires: null } },
];

const CLIENTS = (['POST', 'PUT'] as const).flatMap((writeMethod) =>
  (['JSON', 'PHP'] as const).map((serialization) => ({ writeMethod, serialization })),
);

let wiki: MediaWiki;

beforeAll(async () => {
  wiki = await MediaWiki.install();
});
afterAll(() => wiki?.remove());

describe.each(['embedded', 'cassandra'] as const)("MediaWiki's client of the %s store", (store) => {
  let backend: SessionBackend;
  let kask: KaskProcess;

  beforeAll(async () => {
    backend = await openBackend(store);
    kask = await KaskProcess.start(backend.settings);
  });
  afterAll(async () => {
    await kask?.stop();
    await backend?.close();
  });

  describe.each(CLIENTS)('with $writeMethod and $serialization', ({ writeMethod, serialization }) => {
    const call = (...calls: unknown[][]): Promise<ClientResult[]> => {
      const sessionsUrl = `${kask.origin}${kask.path('')}`;
      const client: SessionClient = { sessionsUrl, writeMethod, serialization };
      return wiki.callClient(client, calls);
    };

    const startOfRow = async (key: string): Promise<string> => {
      const row = backend.select
        ? await backend.select(key)
        : Buffer.from(await (await fetch(kask.url(key))).arrayBuffer());
      return Buffer.from(row ?? []).toString('latin1', 0, serialization.length + 1);
    };

    it('stores, reads and deletes under every kind of key', async () => {
      const value = (key: string) => bytes(`value of ${key}`);
      const reads = KEYS.map((key) => ['get', key]);
      const writes = KEYS.map((key) => ['set', key, value(key)]);
      expect(await call(...reads)).toEqual(KEYS.map(() => done(false)));
      expect(await call(...writes)).toEqual(KEYS.map(() => done(true)));
      expect(await call(...reads)).toEqual(KEYS.map((key) => done(value(key))));
      for (const key of KEYS) expect(await startOfRow(key)).toBe(`${serialization}.`);
      expect(await call(...KEYS.map((key) => ['delete', key]))).toEqual(KEYS.map(() => done(true)));
      expect(await call(...reads)).toEqual(KEYS.map(() => done(false)));
      for (const key of KEYS) expect((await fetch(kask.url(key))).status).toBe(404);
    });

    it('deletes what is not there', async () => {
      expect(await call(['delete', 'never:written'])).toEqual([done(true)]);
    });

    it('gets every kind of value back as it was', async () => {
      const key = 'testwiki:MWSession:value';
      const calls = VALUES.flatMap((value) => [
        ['set', key, value],
        ['get', key],
      ]);
      expect(await call(...calls)).toEqual(VALUES.flatMap((value) => [done(true), done(value)]));
    });

    it('gets a large value back, and a short one that replaces it', async () => {
      const key = 'testwiki:MWSession:large';
      const get = ['get', key];
      const results = await call(['set', key, bytes(LARGE)], get, ['set', key, bytes('short')], get);
      expect(results).toEqual([done(true), done(digest(LARGE)), done(true), done(bytes('short'))]);
    });

    it('gets bytes that are no text back, where the client can write them', async () => {
      const key = 'testwiki:MWSession:binary';
      const [, written, read] = await call(['delete', key], ['set', key, bytes(ALL_BYTES)], ['get', key]);
      // JSON has no way to write them: the client throws before it sends anything.
      const refused = { refused: 'RESTBagOStuff::encodeBody: body could not be encoded.' };
      expect(written).toEqual(serialization === 'PHP' ? done(true) : refused);
      expect(read).toEqual(done(serialization === 'PHP' ? bytes(ALL_BYTES) : false));
    });

    it('reads and writes many keys at once', async () => {
      const values = Object.fromEntries(KEYS.map((key, index) => [key, index]));
      const calls = [
        ['setMulti', values],
        ['getMulti', [...KEYS, 'missing']],
        ['deleteMulti', KEYS],
        ['getMulti', KEYS],
      ];
      expect(await call(...calls)).toEqual([done(true), done(values), done(true), done([])]);
    });

    it('adds only what is missing, counts and locks, as far as its gets and sets allow', async () => {
      const key = `testwiki:counter:${writeMethod}:${serialization}`;
      const added = await call(
        ['add', key, 1],
        ['add', key, 2],
        ['incrWithInit', key, 0, 5, 1],
        ['get', key],
      );
      expect(added).toEqual([done(true), done(false), done(6), done(6)]);
      const locked = await call(
        ['lock', key],
        ['get', `${key}:lock`],
        ['unlock', key],
        ['get', `${key}:lock`],
      );
      expect(locked).toEqual([done(true), done(1), done(true), done(false)]);
      expect(await call(['changeTTL', key, 60], ['get', key])).toEqual([done(true), done(6)]);
    });
  });
});

function bytes(value: string | Buffer): { base64: string } {
  return { base64: Buffer.from(value).toString('base64') };
}

/** How the client's result is told when it is too long to print. */
function digest(value: string): { bytes: number; sha256: string } {
  return { bytes: value.length, sha256: createHash('sha256').update(value).digest('hex') };
}

/** A call that met no error of the store. */
function done(result: unknown): ClientResult {
  return { result, error: 0 };
}
