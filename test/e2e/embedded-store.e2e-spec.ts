import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { open } from 'lmdb';
import { KaskProcess, type KaskOptions } from '../harness/kask.js';
import { metric } from '../harness/metrics.js';
import { RawConnection, requestBytes } from '../harness/raw-http.js';
import { asProcessOne, onSmallDisk } from '../harness/small-disk.js';
import { readSystemCalls, tracing } from '../harness/system-calls.js';

const CANNOT_START = 70;
const MISCONFIGURED = 78;
/** What a commit waits for a disk at least, in microseconds: time for others to come that share the next. */
const SLOW_DISK_US = 20_000;

describe('the embedded store', () => {
  let directory: string;
  const started: KaskProcess[] = [];
  beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'kask-embedded-'))));
  afterEach(async () => {
    await Promise.all(started.splice(0).map((kask) => kask.kill()));
    rmSync(directory, { recursive: true, force: true });
  });

  const settings = (more: Record<string, unknown>): Record<string, unknown> => ({
    storage: 'embedded',
    embedded: { path: directory },
    ...more,
  });
  const spawn = (more: Record<string, unknown> = {}, options: KaskOptions = {}): KaskProcess => {
    const kask = KaskProcess.spawn(settings(more), options);
    started.push(kask);
    return kask;
  };
  const start = async (
    more: Record<string, unknown> = {},
    options: KaskOptions = {},
  ): Promise<KaskProcess> => {
    const kask = await KaskProcess.start(settings(more), options);
    started.push(kask);
    return kask;
  };

  describe('durability', () => {
    it('answers a write after its commit has reached the disk', async () => {
      const steps = await stepsOf(0, async (kask) => {
        for (let i = 0; i < 5; i++) expect(await put(kask, `key${i}`, 'value')).toBe(201);
        expect(await remove(kask, 'key0')).toBe(204);
      });
      expect(steps).toEqual(Array.from({ length: 6 }, () => ['pages', 'root', 'answer']).flat());
    }, 60_000);

    it('answers writes that come together after a commit that they share', async () => {
      const writes = 200;
      const steps = await stepsOf(SLOW_DISK_US, async (kask) => {
        expect(new Set(await putAtOnce(kask, writes))).toEqual(new Set([201]));
      });
      expect(steps.slice(0, 3)).toEqual(['pages', 'root', 'answer']);
      expect(steps.filter((step) => step === 'answer')).toHaveLength(writes);
      expect(steps.filter((step) => step === 'root').length).toBeLessThan(writes / 4);
    }, 60_000);

    /** All of them are there when it looks: it stands still while they are sent, however slow the machine. */
    async function putAtOnce(kask: KaskProcess, writes: number): Promise<number[]> {
      const connections = await Promise.all(
        Array.from({ length: writes }, () => RawConnection.open(kask.origin)),
      );
      process.kill(childOf(kask), 'SIGSTOP');
      for (const [i, connection] of connections.entries())
        connection.send(requestBytes({ method: 'PUT', target: kask.path(`key${i}`), body: 'value' }));
      process.kill(childOf(kask), 'SIGCONT');
      const answers = await Promise.all(connections.map((connection) => connection.answer()));
      for (const connection of connections) connection.destroy();
      return answers.map(({ status }) => status);
    }

    /** What the service did in order to answer, from its first commit for that on. */
    async function stepsOf(diskUs: number, write: (kask: KaskProcess) => Promise<void>): Promise<string[]> {
      const file = path.join(directory, 'system-calls');
      const calls = ['openat', 'fdatasync', 'pwrite64', 'write', 'writev'];
      const kask = await start({}, { under: tracing(calls, file, { fdatasync: diskUs }) });
      await write(kask);
      process.kill(childOf(kask), 'SIGTERM');
      await kask.exited;

      const traced = readSystemCalls(file);
      // LMDB writes the root of the new state last, through a descriptor whose writes end when they are on disk.
      const root = descriptorOf(traced, /data\.mdb", O_WRONLY\|O_DSYNC/);
      const steps = traced.flatMap(({ moment, text }) => {
        if (moment === 'ended' && /^fdatasync\(\d+<.*data\.mdb>\)\s+= 0/.test(text)) return ['pages'];
        if (moment === 'ended' && text.startsWith(`pwrite64(${root}<`)) return ['root'];
        if (moment === 'began' && /^writev?\(.*"HTTP\/1\.1 20[14]/.test(text)) return ['answer'];
        return [];
      });
      return steps.slice(steps.indexOf('answer') - 2);
    }

    it('keeps a value of 8 MiB and a key of 1,024 bytes over kill -9', async () => {
      const key = '\u{1F511}'.repeat(256);
      const value = Buffer.alloc(8 * 1024 * 1024, 'all of it ');
      const kask = await start();
      expect(await put(kask, key, value)).toBe(201);
      await kask.kill();
      expect((await get(await start(), key))?.equals(value)).toBe(true);
    });

    it('lets nobody but its user read the files', async () => {
      const data = path.join(directory, 'data');
      await start({ embedded: { path: data } });
      const modes = ['.', ...readdirSync(data)].map((name) => statSync(path.join(data, name)).mode & 0o777);
      expect(modes).toEqual([0o700, 0o600, 0o600]);
    });
  });

  describe('a full disk', () => {
    const MEBIBYTES = 16;
    const value = Buffer.alloc(20_000, 'x');

    /** Stores values, by eight at once and then one by one, until none is taken; resolves with their keys. */
    async function fill(kask: KaskProcess): Promise<string[]> {
      const keys: string[] = [];
      for (const atOnce of [8, 1]) {
        for (let taken = atOnce; taken > 0;) {
          const batch = Array.from({ length: atOnce }, (_, i) => `key${keys.length}-${i}`);
          const answers = await Promise.all(batch.map((key) => put(kask, key, value)));
          const stored = batch.filter((_key, i) => answers[i] === 201);
          expect(answers.filter((status) => status === 503)).toHaveLength(atOnce - stored.length);
          keys.push(...stored);
          taken = stored.length;
        }
      }
      return keys;
    }

    it('is told, keeps what was stored, and is left again by deletes', async () => {
      const kask = await start({}, { under: onSmallDisk(directory, MEBIBYTES) });
      const keys = await fill(kask);
      expect(keys.length * value.length).toBeGreaterThan((MEBIBYTES / 2) * 1024 * 1024);

      const refusal = await fetch(kask.url('one more'), { method: 'PUT', body: value });
      expect(refusal.status).toBe(503);
      expect(refusal.headers.get('retry-after')).toBe('1');
      const { type, detail } = (await refusal.json()) as Record<string, string>;
      expect(type).toBe('https://www.mediawiki.org/wiki/Kask/errors/unavailable');
      expect(detail).toContain('the disk of the embedded store is full');
      expect(kask.logs().find(({ level }) => level === 'ERROR')?.reason).toBe(detail);
      expect((await fetch(`${kask.origin}/healthz/ready`)).status).toBe(200);

      for (const key of keys) expect((await get(kask, key))?.equals(value)).toBe(true);
      for (const key of keys.slice(0, 100)) expect(await remove(kask, key)).toBe(204);
      for (const key of keys.slice(0, 50)) expect(await put(kask, key, value)).toBe(201);
      expect(kask.stderr).toBe('');
    }, 60_000);

    it('is left again by expiry', async () => {
      const kask = await start({ default_ttl: 3 }, { under: onSmallDisk(directory, MEBIBYTES) });
      await fill(kask);
      await until(async () => (await metric(kask, 'kask_embedded_sessions')) === 0);
      expect(await put(kask, 'key', value)).toBe(201);
      expect(kask.stderr).toBe('');
    }, 60_000);

    it('leaves files that serve on a larger disk', async () => {
      const kask = await start({}, { under: onSmallDisk(directory, MEBIBYTES) });
      const keys = await fill(kask);
      const larger = path.join(directory, 'larger');
      mkdirSync(larger);
      copyFileSync(`/proc/${kask.pid}/root${directory}/data.mdb`, path.join(larger, 'data.mdb'));
      await kask.kill();
      const moved = await start({ embedded: { path: larger } });
      for (const key of keys) expect((await get(moved, key))?.equals(value)).toBe(true);
      expect(await put(moved, 'one more', value)).toBe(201);
    }, 60_000);
  });

  describe('a second process', () => {
    it('is refused in one line, and leaves the first unharmed', async () => {
      const first = await start();
      expect(await put(first, 'key', 'before')).toBe(201);
      const second = spawn();
      expect(await outcome(second)).toBe(CANNOT_START);
      expect(second.stderr).toMatch(
        new RegExp(`^kask: the embedded store in ${directory} is in use by process ${first.pid}\\b.*\\n$`),
      );
      expect(second.stdout).toBe('');
      expect(await put(first, 'key', 'after')).toBe(201);
      await first.kill();
      expect(String(await get(await start(), 'key'))).toBe('after');
    });

    it('is refused also when both are process 1 of their containers', async () => {
      const first = await start({}, { under: asProcessOne() });
      const second = spawn({}, { under: asProcessOne() });
      expect(await outcome(second)).toBe(CANNOT_START);
      expect(second.stderr).toContain(`${directory} is in use by process 1`);
      expect(await put(first, 'key', 'value')).toBe(201);
    });

    it.each([1, 2, 3])('is one of two that start at once: time %i', async () => {
      const both = [spawn(), spawn()];
      const outcomes = await Promise.all(both.map(outcome));
      expect(outcomes.sort()).toEqual([CANNOT_START, 'listens']);
    });
  });

  describe('expiry', () => {
    it('comes with its second, while the service runs and while it does not', async () => {
      let kask = await start({ default_ttl: 2 });
      const sent = Date.now();
      expect(await put(kask, 'key', 'short-lived')).toBe(201);
      const stored = Date.now();
      await sleep(sent + 1_900 - Date.now());
      const early = await get(kask, 'key');
      if (Date.now() < sent + 2_000) expect(early).toBeDefined(); // else this machine stood still
      await sleep(stored + 2_001 - Date.now());
      expect(await get(kask, 'key')).toBeUndefined();

      expect(await put(kask, 'down', 'expires while nobody looks')).toBe(201);
      await kask.kill();
      await sleep(2_001);
      kask = await start();
      expect(await get(kask, 'down')).toBeUndefined();
      await until(async () => (await metric(kask, 'kask_embedded_sessions')) === 0);
    });

    it('is cleared away while requests are served, and leaves what lives on', async () => {
      const brief = await start({ default_ttl: 2 });
      const keys = Array.from({ length: 3_000 }, (_, i) => `key${i}`);
      await putAll(brief, keys);
      await brief.stop();

      const lasting = await start({ default_ttl: 0 });
      for (const key of ['key0', 'new']) expect(await put(lasting, key, 'for good')).toBe(201);
      const swept = async (): Promise<boolean> => (await metric(lasting, 'kask_embedded_sessions')) === 2;
      await until(swept, async () => {
        expect(String(await get(lasting, 'key0'))).toBe('for good');
        expect(await put(lasting, 'new', 'for good')).toBe(201);
      });
      expect(await metric(lasting, 'kask_embedded_expired_total')).toBeGreaterThan(0);
      for (const key of ['key0', 'new']) expect(String(await get(lasting, key))).toBe('for good');
      for (const key of keys.slice(1, 20)) expect(await get(lasting, key)).toBeUndefined();
    });

    it('does not hold up a shutdown', async () => {
      const kask = await start({ default_ttl: 1 });
      await putAll(
        kask,
        Array.from({ length: 5_000 }, (_, i) => `key${i}`),
      );
      await until(async () => (await metric(kask, 'kask_embedded_expired_total')) > 0);
      expect(await kask.stop()).toBe(0);
      expect(kask.stderr).toBe('');
    });
  });

  describe('a path that it cannot use', () => {
    const refused = async (kask: KaskProcess): Promise<string> => {
      expect(await outcome(kask)).toBe(CANNOT_START);
      expect(kask.stdout).toBe('');
      expect(kask.stderr).toMatch(
        /^kask: the embedded store in .*\(embedded\.path has to name a directory .*\)\n$/,
      );
      return kask.stderr;
    };

    it.each(['/dev/null', '/proc/kask', '/sys/kask'])(
      'is %s: a fault of the configuration',
      async (unusable) => {
        const kask = spawn({ embedded: { path: unusable } });
        expect(await outcome(kask)).toBe(MISCONFIGURED);
        expect(kask.stderr).toContain(`  embedded.path: found "${unusable}", which `);
      },
    );

    it('is a directory that this user may not write to', async () => {
      chmodSync(directory, 0o555);
      // Root may write everywhere, unless it lacks the capability for that.
      const under = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-dac_override'] : [];
      const kask = spawn({ embedded: { path: path.join(directory, 'data') } }, { under });
      expect(await outcome(kask)).toBe(MISCONFIGURED);
      expect(kask.stderr).toContain('which cannot be written to (EACCES)');
    });

    it.each([[[]], [['--check-config']]])('is on a read-only file system, with %j', async (args) => {
      const readOnly = 'mount -t tmpfs -o ro tmpfs "$0" && exec "$@"';
      const under = onSmallDisk(directory, 1).map((word) => (word.startsWith('mount ') ? readOnly : word));
      const kask = spawn({}, { under, args });
      expect(await outcome(kask)).toBe(MISCONFIGURED);
      expect(kask.stderr).toContain('which cannot be written to (EROFS)');
    });

    it.each([
      ['text', Buffer.from('not a database')],
      ['zeros', Buffer.alloc(8_192)],
    ])('has a foreign data.mdb, of %s', async (_, content) => {
      const file = path.join(directory, 'data.mdb');
      writeFileSync(file, content);
      expect(await refused(spawn())).toContain('its data.mdb is not a file of this store');
      expect(readFileSync(file).equals(content)).toBe(true);
    });

    it('has the format of another version', async () => {
      const other = open<Buffer, Buffer>({
        path: directory,
        noSubdir: false,
        keyEncoding: 'binary',
        encoding: 'binary',
      });
      await other.put(Buffer.from('format'), Buffer.from('3'));
      await other.close();
      expect(await refused(spawn())).toContain(
        'has format 3, and this version of the service reads format 2',
      );
    });

    it('may have a dot in its name', async () => {
      const kask = await start({ embedded: { path: path.join(directory, 'sessions.d') } });
      expect(await put(kask, 'key', 'value')).toBe(201);
    });
  });
});

/** How a start ends. */
async function outcome(kask: KaskProcess): Promise<number | null | 'listens'> {
  const listens = kask.waitForLog(({ msg }) => msg === 'listening', 20_000);
  return listens.then(
    () => 'listens',
    () => kask.exited,
  );
}

async function put(kask: KaskProcess, key: string, body: string | Buffer): Promise<number> {
  const response = await fetch(kask.url(key), { method: 'PUT', body });
  await response.arrayBuffer();
  return response.status;
}

async function putAll(kask: KaskProcess, keys: string[]): Promise<void> {
  for (let i = 0; i < keys.length; i += 100)
    await Promise.all(keys.slice(i, i + 100).map((key) => put(kask, key, 'value')));
}

async function remove(kask: KaskProcess, key: string): Promise<number> {
  return (await fetch(kask.url(key), { method: 'DELETE' })).status;
}

async function get(kask: KaskProcess, key: string): Promise<Buffer | undefined> {
  const response = await fetch(kask.url(key));
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status === 404) return undefined;
  expect(response.status).toBe(200);
  return body;
}

async function until(
  isSo: () => Promise<boolean>,
  meanwhile: () => Promise<void> = () => sleep(50),
): Promise<void> {
  const end = Date.now() + 20_000;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error('it did not come to that');
    await meanwhile();
  }
}

/** The service, where it was started by a tracer. */
function childOf(kask: KaskProcess): number {
  return Number(readFileSync(`/proc/${kask.pid}/task/${kask.pid}/children`, 'utf8').trim());
}

function descriptorOf(traced: { text: string }[], opening: RegExp): string {
  const opened = traced.find(
    ({ text }) => text.startsWith('openat(') && opening.test(text) && / = \d+</.test(text),
  );
  return / = (\d+)</.exec(opened?.text ?? '')?.[1] ?? 'none';
}
