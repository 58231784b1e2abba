import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionStore } from '../../src/modules/storage/session-store.js';
import { type OpenStore, withStore } from './session-store-contract.js';

const DAY = 86_400;
const FIRST = Buffer.from('first');
const SECOND = Buffer.from('second');

/** What every session store promises of expiry, of its renewal, and of what it takes over from another. */
export function timedWritesContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`the contract of timed writes, on ${name}`, () => {
    let store: SessionStore;
    let expiryToleranceMs: number;
    let serial = 0;
    const newKey = (): string => `timed:${Date.now()}-${serial++}`;

    withStore(open, (opened) => ({ store, expiryToleranceMs } = opened));

    describe('what is left of a TTL', () => {
      it('comes with the value, rounded up', async () => {
        const key = newKey();
        await store.set(key, FIRST, 100);
        const { ttlSeconds } = (await store.get(key))!;
        expect(ttlSeconds).toBeLessThanOrEqual(100);
        expect(ttlSeconds).toBeGreaterThan(50);
      });

      it('is 1 in the last second', async () => {
        const key = newKey();
        await store.set(key, FIRST, 1);
        // On a slow machine it may be over.
        expect((await store.get(key)) ?? { ttlSeconds: 1 }).toMatchObject({ ttlSeconds: 1 });
      });

      it('is 0 where the value never expires', async () => {
        const key = newKey();
        await store.set(key, FIRST, 0);
        expect(await store.get(key)).toEqual({ value: FIRST, ttlSeconds: 0 });
      });
    });

    describe('touch', () => {
      it('renews the expiry and leaves the value', async () => {
        const key = newKey();
        await store.set(key, FIRST, 100);
        expect(await store.touch(key, DAY)).toEqual({ value: FIRST, ttlSeconds: DAY });
        const { value, ttlSeconds } = (await store.get(key))!;
        expect(value).toEqual(FIRST);
        expect(ttlSeconds).toBeGreaterThan(100);
      });

      it('can make it sooner', async () => {
        const key = newKey();
        await store.set(key, FIRST, DAY);
        await store.touch(key, 1);
        await sleep(1_000 + expiryToleranceMs);
        expect(await store.get(key)).toBeUndefined();
      });

      it('can let a value live for good that would expire, and the other way round', async () => {
        const key = newKey();
        await store.set(key, FIRST, 100);
        await store.touch(key, 0);
        expect(await store.get(key)).toEqual({ value: FIRST, ttlSeconds: 0 });
        await store.touch(key, 100);
        expect((await store.get(key))?.ttlSeconds).toBeGreaterThan(0);
      });

      it('can be done again and again, and the last one counts', async () => {
        const key = newKey();
        await store.set(key, FIRST, DAY);
        for (let i = 1; i <= 20; i++) await store.touch(key, i * 1_000);
        const { ttlSeconds } = (await store.get(key))!;
        expect(ttlSeconds).toBeGreaterThan(19_000);
        expect(ttlSeconds).toBeLessThanOrEqual(20_000);
      });

      it('makes nothing of a key that is absent, deleted or expired', async () => {
        const [absent, deleted, expired] = [newKey(), newKey(), newKey()];
        await store.set(expired, FIRST, 1);
        await store.set(deleted, FIRST, DAY);
        await store.delete(deleted);
        await sleep(1_000 + expiryToleranceMs);
        for (const key of [absent, deleted, expired]) {
          expect(await store.touch(key, DAY)).toBeUndefined();
          expect(await store.get(key)).toBeUndefined();
        }
      });

      it('gives way to a later write and a later delete', async () => {
        const key = newKey();
        await store.set(key, FIRST, DAY);
        await store.touch(key, DAY);
        await store.set(key, SECOND, DAY);
        expect((await store.get(key))?.value).toEqual(SECOND);
        await store.touch(key, DAY);
        await store.delete(key);
        expect(await store.get(key)).toBeUndefined();
      });

      it('moves nothing to where somebody has written', async () => {
        const [from, to] = [newKey(), newKey()];
        await store.set(from, FIRST, DAY);
        await store.set(to, SECOND, DAY);
        await store.touch(from, DAY, undefined, () => ({ key: to, value: FIRST }));
        expect((await store.get(to))?.value).toEqual(SECOND);
      });

      it('undoes no delete that is made at the same time', async () => {
        for (let round = 0; round < 50; round++) {
          const key = newKey();
          await store.set(key, FIRST, DAY);
          const touches = [store.touch(key, DAY), store.touch(key, 2 * DAY)];
          await Promise.all([store.delete(key), ...touches, store.touch(key, DAY)]);
          expect(await store.get(key)).toBeUndefined();
        }
      });

      it('undoes no write that is made at the same time', async () => {
        for (let round = 0; round < 50; round++) {
          const key = newKey();
          await store.set(key, FIRST, DAY);
          await Promise.all([store.touch(key, DAY), store.set(key, SECOND, DAY), store.touch(key, DAY)]);
          expect((await store.get(key))?.value).toEqual(SECOND);
        }
      });
    });

    describe('what is adopted', () => {
      it('is there where nothing was', async () => {
        const key = newKey();
        await store.adopt(key, FIRST, 100);
        const { value, ttlSeconds } = (await store.get(key))!;
        expect(value).toEqual(FIRST);
        expect(ttlSeconds).toBeGreaterThan(50);
      });

      it('gives way to what was written before', async () => {
        const key = newKey();
        await store.set(key, SECOND, DAY);
        await store.adopt(key, FIRST, DAY);
        expect((await store.get(key))?.value).toEqual(SECOND);
      });

      it('gives way to what is written, touched or deleted afterwards', async () => {
        const key = newKey();
        await store.adopt(key, FIRST, 100);
        await store.touch(key, DAY);
        expect((await store.get(key))?.ttlSeconds).toBeGreaterThan(100);
        await store.set(key, SECOND, DAY);
        expect((await store.get(key))?.value).toEqual(SECOND);
        await store.delete(key);
        expect(await store.get(key)).toBeUndefined();
      });
    });
  });
}
