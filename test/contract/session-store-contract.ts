import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionStore } from '../../src/modules/storage/session-store.js';

export interface OpenStore {
  store: SessionStore;
  /** What the store's clock may be off by, in ms: how far from its second an expiry may be seen. */
  expiryToleranceMs: number;
  close: () => Promise<void>;
}

const DAY = 86_400;

/** Opens a store for the tests around this, and closes it after them. */
export function withStore(open: () => Promise<OpenStore>, take: (opened: OpenStore) => void): void {
  let opened: OpenStore;
  beforeAll(async () => {
    opened = await open();
    take(opened);
  }, 120_000);
  afterAll(() => opened.close());
}

/** What every session store promises; run on each implementation, with a store of its own. */
export function sessionStoreContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`the contract of session stores, on ${name}`, () => {
    let store: SessionStore;
    let expiryToleranceMs: number;
    let serial = 0;
    const newKey = (): string => `enwiki:MWSession:${Date.now()}-${serial++}`;
    const valueOf = async (key: string): Promise<Buffer | undefined> => (await store.get(key))?.value;

    withStore(open, (opened) => ({ store, expiryToleranceMs } = opened));

    describe('values', () => {
      it('answers undefined for a key that was never set', async () => {
        expect(await store.get(newKey())).toBeUndefined();
      });

      it('gives back the bytes that were set', async () => {
        const key = newKey();
        const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
        await store.set(key, value, DAY);
        expect(await valueOf(key)).toEqual(value);
      });

      it('replaces a value wholly, by a longer and by a shorter one', async () => {
        const key = newKey();
        for (const size of [10, 5_000, 1]) {
          const value = randomBytes(size);
          await store.set(key, value, DAY);
          expect(await valueOf(key)).toEqual(value);
        }
      });

      it('keeps the value that it was given when the caller reuses the buffer', async () => {
        const key = newKey();
        const value = Buffer.from('first');
        await store.set(key, value, DAY);
        value.fill('x');
        expect(await valueOf(key)).toEqual(Buffer.from('first'));
      });

      it('hands out values that later writes do not change', async () => {
        const key = newKey();
        await store.set(key, Buffer.from('first'), DAY);
        const read = await valueOf(key);
        await store.set(key, Buffer.from('other'), DAY);
        await store.get(key);
        expect(read).toEqual(Buffer.from('first'));
      });

      it.each([1, 300, 65_536, 2_129_920])('stores a value of %i bytes', async (size) => {
        const key = newKey();
        const value = randomBytes(size);
        await store.set(key, value, DAY);
        expect((await valueOf(key))?.equals(value)).toBe(true);
      });
    });

    describe('keys', () => {
      it.each([
        ['of one byte', 'k'],
        ['named like a property', '__proto__'],
        ['named like another', 'constructor'],
        [`of MediaWiki's own tests`, `Parser's_"broken"_+_(page)_&_grill`],
        ['with a slash and percent signs', 'with/slash%2Fand%25percent'],
        ['beyond ASCII', 'Zażółć gęślą jaźń 🜚'],
        ['with a composed letter', 'é'],
        ['with the same letter decomposed', 'e\u0301'],
        ['in upper case', 'CASE'],
        ['in lower case', 'case'],
        ['with spaces around', ' spaces '],
        ['of 1,024 bytes', 'x'.repeat(1_024)],
        ['of 256 characters of four bytes', '\u{1F511}'.repeat(256)],
      ])('keeps a key %s apart from every other', async (_, key) => {
        const value = randomBytes(16);
        await store.set(key, value, DAY);
        await store.set(`${key.slice(0, 1_000)}!`, Buffer.from('another'), DAY);
        expect(await valueOf(key)).toEqual(value);
        await store.delete(key);
        expect(await store.get(key)).toBeUndefined();
      });

      it('keeps keys apart that share a prefix', async () => {
        const key = newKey();
        await store.set(`${key}1`, Buffer.from('a'), DAY);
        await store.set(`${key}11`, Buffer.from('b'), DAY);
        await store.delete(`${key}1`);
        expect(await store.get(key)).toBeUndefined();
        expect(await valueOf(`${key}11`)).toEqual(Buffer.from('b'));
      });
    });

    describe('deletes', () => {
      it('makes a key absent', async () => {
        const key = newKey();
        await store.set(key, Buffer.from('value'), DAY);
        await store.delete(key);
        expect(await store.get(key)).toBeUndefined();
      });

      it('resolves for a key that is absent, once and again', async () => {
        const key = newKey();
        await store.delete(key);
        await store.delete(key);
        expect(await store.get(key)).toBeUndefined();
      });

      it('lets a key be set again', async () => {
        const key = newKey();
        await store.set(key, Buffer.from('before'), DAY);
        await store.delete(key);
        await store.set(key, Buffer.from('after'), DAY);
        expect(await valueOf(key)).toEqual(Buffer.from('after'));
      });
    });

    describe('expiry', () => {
      it('shows a value before its second and not after it', async () => {
        const key = newKey();
        const started = Date.now();
        await store.set(key, Buffer.from('short-lived'), 2);
        await sleep(1_000 - expiryToleranceMs);
        expect(await store.get(key)).toBeDefined();
        await sleep(started + 2_000 + expiryToleranceMs - Date.now());
        expect(await store.get(key)).toBeUndefined();
      });

      it('counts from the last write', async () => {
        const key = newKey();
        await store.set(key, Buffer.from('first'), 1);
        await store.set(key, Buffer.from('second'), DAY);
        await sleep(2_000 + expiryToleranceMs);
        expect(await valueOf(key)).toEqual(Buffer.from('second'));
      });

      it('can be made sooner by a later write', async () => {
        const key = newKey();
        await store.set(key, Buffer.from('first'), DAY);
        await store.set(key, Buffer.from('second'), 1);
        await sleep(1_000 + expiryToleranceMs);
        expect(await store.get(key)).toBeUndefined();
      });

      it('can be made sooner for a value that never expired', async () => {
        const key = newKey();
        await store.set(key, Buffer.from('first'), 0);
        await store.set(key, Buffer.from('second'), 1);
        await sleep(1_000 + expiryToleranceMs);
        expect(await store.get(key)).toBeUndefined();
      });

      it('never comes with a TTL of 0', async () => {
        const key = newKey();
        await store.set(key, Buffer.from('for good'), 1);
        await store.set(key, Buffer.from('for good'), 0);
        await sleep(2_000 + expiryToleranceMs);
        expect(await valueOf(key)).toEqual(Buffer.from('for good'));
      });

      it('takes the longest TTL that Cassandra takes', async () => {
        const key = newKey();
        // 20 years less what Cassandra's expiry date of 2038 leaves; see the settings' document.
        await store.set(key, Buffer.from('long'), 10 * 365 * DAY);
        expect(await valueOf(key)).toEqual(Buffer.from('long'));
      });
    });

    describe('concurrency', () => {
      it('shows each writer what it wrote, among hundreds', async () => {
        const prefix = newKey();
        await Promise.all(
          Array.from({ length: 300 }, async (_, writer) => {
            const key = `${prefix}:${writer}`;
            for (let round = 0; round < 3; round++) {
              const value = Buffer.from(`${writer}/${round}`);
              await store.set(key, value, DAY);
              expect(await valueOf(key)).toEqual(value);
            }
            await store.delete(key);
            expect(await store.get(key)).toBeUndefined();
          }),
        );
      });

      it('leaves one whole value of many that were written at once', async () => {
        const key = newKey();
        const values = Array.from({ length: 50 }, (_, i) => Buffer.alloc(1_000 + i, i));
        await Promise.all(values.map((value) => store.set(key, value, DAY)));
        const left = (await valueOf(key)) as Buffer;
        expect(values.some((value) => value.equals(left))).toBe(true);
      });

      it('lets the later of two writes win that follow each other', async () => {
        const key = newKey();
        for (let round = 0; round < 50; round++) {
          await store.set(key, Buffer.from(`a${round}`), DAY);
          await store.set(key, Buffer.from(`b${round}`), DAY);
          expect(await valueOf(key)).toEqual(Buffer.from(`b${round}`));
        }
      });

      it('never brings a deleted value back', async () => {
        const key = newKey();
        for (let round = 0; round < 30; round++) {
          await store.set(key, Buffer.from('logged in'), DAY);
          await store.delete(key);
          expect(await store.get(key)).toBeUndefined();
        }
      });
    });

    it('probes', async () => {
      await expect(store.probe()).resolves.toBeUndefined();
    });
  });
}

/** What a store of rows promises beside; a store around it hides keys by itself. */
export function hidingKeysContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`keys that hide each other, in ${name}`, () => {
    let store: SessionStore;

    withStore(open, (opened) => ({ store } = opened));
    const valueOf = async (key: string): Promise<Buffer | undefined> => (await store.get(key))?.value;

    it('go with the write that they would hide, and can be written again', async () => {
      const keys = ['written', 'hiding', 'other'] as const;
      for (const key of keys) await store.set(key, Buffer.from('before'), DAY);
      await store.set(keys[0], Buffer.from('after'), DAY, [keys[1], 'absent']);
      const [written, hiding, other] = await Promise.all(keys.map(valueOf));
      expect(written).toEqual(Buffer.from('after'));
      expect(hiding).toBeUndefined();
      expect(other).toEqual(Buffer.from('before'));
      await store.set(keys[1], Buffer.from('again'), DAY);
      expect(await valueOf(keys[1])).toEqual(Buffer.from('again'));
    });

    it('go with one delete', async () => {
      const keys = ['deleted', 'not deleted', 'hidden'] as const;
      for (const key of keys) await store.set(key, Buffer.from('before'), DAY);
      await store.delete(keys[0], [keys[2], 'absent']);
      const [deleted, other, hidden] = await Promise.all(keys.map(valueOf));
      expect([deleted, hidden]).toEqual([undefined, undefined]);
      expect(other).toEqual(Buffer.from('before'));
    });
  });
}
