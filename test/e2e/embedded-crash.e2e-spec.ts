import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KaskProcess } from '../harness/kask.js';

const ROUNDS = 20;
const WRITERS = 16;
/** Keys of each writer that it overwrites and deletes again and again; besides, it sets ever new ones. */
const KEYS_OF_WRITER = 8;
const SEED = Number(process.env.KASK_TEST_SEED ?? Date.now() % 1_000_000_000);

/** What a key may hold: one state after an answer, two after a request that got none. 0 is absent. */
type States = number[];

describe('kill -9 during writes', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-crash-'));
  const random = randomNumbers(SEED);
  const states = new Map<string, States>();
  const totals = { written: 0, answered: 0 };
  let serial = 0;
  afterAll(() => rmSync(directory, { recursive: true }));

  it(`loses nothing that was answered, in ${ROUNDS} rounds`, async () => {
    let touched: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const kask = await start();
      await verify(kask, touched);
      const writers = writeUntilKilled(kask);
      await sleep(100 + random() * 400);
      await kask.kill();
      touched = await writers;
    }
    const kask = await start();
    const found = await verify(kask, [...states.keys()]);
    await kask.kill();
    const { written, answered } = totals;
    process.stdout.write(
      `kill -9: ${ROUNDS} rounds (KASK_TEST_SEED=${SEED}), ${written} writes, ${answered} answered; all ${found} keys found as they were answered\n`,
    );
    expect(answered).toBeGreaterThan(ROUNDS * WRITERS);
    expect(written).toBeGreaterThan(answered);
  }, 180_000);

  function start(): Promise<KaskProcess> {
    return KaskProcess.start({ storage: 'embedded', embedded: { path: directory } });
  }

  /** Resolves with the keys that were written to. */
  async function writeUntilKilled(kask: KaskProcess): Promise<string[]> {
    const touched = new Set<string>();
    const writer = async (name: number): Promise<void> => {
      for (;;) {
        const key = nextKey(name);
        touched.add(key);
        if (!(await writeOnce(kask, key))) return;
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, (_, name) => writer(name)));
    return [...touched];
  }

  function nextKey(writer: number): string {
    const again = random() < 0.7;
    return `w${writer}:${again ? Math.floor(random() * KEYS_OF_WRITER) : `new${++serial}`}`;
  }

  /** Tells whether it was answered. */
  async function writeOnce(kask: KaskProcess, key: string): Promise<boolean> {
    const state = random() < 0.25 ? 0 : ++serial;
    totals.written++;
    states.set(key, [...(states.get(key) ?? [0]), state]);
    const request = state === 0 ? { method: 'DELETE' } : { method: 'PUT', body: valueOf(key, state) };
    const response = await fetch(kask.url(key), request).catch(() => undefined);
    if (!response) return false;
    expect(response.status).toBe(state === 0 ? 204 : 201);
    states.set(key, [state]);
    totals.answered++;
    return true;
  }

  /** Throws for a key that holds anything else than it may; resolves with the number of keys. */
  async function verify(kask: KaskProcess, keys: string[]): Promise<number> {
    const reader = async (name: number): Promise<void> => {
      for (const key of keys.filter((_key, i) => i % WRITERS === name)) {
        const state = await stateOf(kask, key);
        if (state === undefined)
          throw new Error(`${key} holds none of the states ${states.get(key)?.join()}`);
        states.set(key, [state]);
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, (_, name) => reader(name)));
    return keys.length;
  }

  /** Which of its possible states a key has, byte for byte. */
  async function stateOf(kask: KaskProcess, key: string): Promise<number | undefined> {
    const response = await fetch(kask.url(key));
    const body = Buffer.from(await response.arrayBuffer());
    return states
      .get(key)
      ?.find((state) => (state === 0 ? response.status === 404 : body.equals(valueOf(key, state))));
  }
});

/** 1 to 8,000 bytes that no other write has. */
function valueOf(key: string, state: number): Buffer {
  return Buffer.alloc(1 + ((state * 7919) % 8000), `${state} ${key} `);
}

/** mulberry32 */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
