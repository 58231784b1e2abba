import { setTimeout as sleep } from 'node:timers/promises';
import type { Condition, SessionStore } from '../../src/modules/storage/session-store.js';
import { type OpenStore, withStore } from './session-store-contract.js';

const DAY = 86_400;
const FIRST = Buffer.from('first');
const SECOND = Buffer.from('second');
const WRITERS = 30;

const is =
  (expected: Buffer): Condition =>
  (value) =>
    value.equals(expected);

/** What every session store promises of writes that depend on what is there. */
export function conditionalWritesContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`the contract of conditional writes, on ${name}`, () => {
    let store: SessionStore;
    let expiryToleranceMs: number;
    let serial = 0;
    const newKey = (): string => `atomic:${Date.now()}-${serial++}`;
    const holding = async (value: Buffer | undefined, ttlSeconds = DAY): Promise<string> => {
      const key = newKey();
      if (value) await store.setIf(key, 'any', value, ttlSeconds);
      return key;
    };
    const valueOf = async (key: string): Promise<Buffer | undefined> => (await store.get(key))?.value;

    withStore(open, (opened) => ({ store, expiryToleranceMs } = opened));

    const cases: [string, Condition, Buffer | undefined, boolean][] = [
      ['any, and nothing is there', 'any', undefined, true],
      ['any, and a value is there', 'any', FIRST, true],
      ['absence, and nothing is there', 'absent', undefined, true],
      ['absence, and a value is there', 'absent', FIRST, false],
      ['presence, and nothing is there', 'present', undefined, false],
      ['presence, and a value is there', 'present', FIRST, true],
      ['the value, and nothing is there', is(FIRST), undefined, false],
      ['the value, and it is there', is(FIRST), FIRST, true],
      ['the value, and another is there', is(FIRST), Buffer.from('other'), false],
    ];

    it.each(cases)('setIf: %s', async (_, condition, before, isMet) => {
      const key = await holding(before);
      expect(await store.setIf(key, condition, SECOND, DAY)).toBe(isMet);
      expect(await valueOf(key)).toEqual(isMet ? SECOND : before);
    });

    it.each(cases)('touchIf: %s', async (_, condition, before, isMet) => {
      const key = await holding(before, 100);
      const touched = await store.touchIf(key, condition, DAY);
      expect(touched).toEqual(before && isMet && { value: before, ttlSeconds: DAY });
      const found = await store.get(key);
      expect(found?.value).toEqual(before);
      if (found) expect(found.ttlSeconds > 100).toBe(isMet);
    });

    it.each(cases)('deleteIf: %s', async (_, condition, before, isMet) => {
      const key = await holding(before);
      expect(await store.deleteIf(key, condition)).toBe(isMet);
      expect(await valueOf(key)).toEqual(isMet ? undefined : before);
    });

    it('writes with a TTL, and for good', async () => {
      const key = newKey();
      await store.setIf(key, 'absent', FIRST, 0);
      expect(await store.get(key)).toEqual({ value: FIRST, ttlSeconds: 0 });
      await store.setIf(key, is(FIRST), SECOND, 1);
      await sleep(1_000 + expiryToleranceMs);
      expect(await store.get(key)).toBeUndefined();
    });

    it('creates anew what has expired or was deleted', async () => {
      const expired = await holding(FIRST, 1);
      const deleted = await holding(FIRST);
      await store.deleteIf(deleted, 'any');
      await sleep(1_000 + expiryToleranceMs);
      for (const key of [expired, deleted]) {
        expect(await store.touchIf(key, 'any', DAY)).toBeUndefined();
        expect(await store.setIf(key, is(FIRST), SECOND, DAY)).toBe(false);
        expect(await store.setIf(key, 'absent', SECOND, DAY)).toBe(true);
      }
    });

    it('keeps the value that it was given when the caller reuses the buffer', async () => {
      const key = newKey();
      const value = Buffer.from('first');
      await store.setIf(key, 'absent', value, DAY);
      value.fill('x');
      expect(await valueOf(key)).toEqual(FIRST);
      expect(await store.setIf(key, is(FIRST), SECOND, DAY)).toBe(true);
    });

    it('lets one of many create a key', async () => {
      const key = newKey();
      const writers = Array.from({ length: WRITERS }, (_, i) =>
        store.setIf(key, 'absent', Buffer.from(`writer ${i}`), DAY),
      );
      const created = await Promise.all(writers);
      expect(created.filter(Boolean)).toHaveLength(1);
      expect(await valueOf(key)).toEqual(Buffer.from(`writer ${created.indexOf(true)}`));
    });

    it('loses no step of those who count with it', async () => {
      const key = newKey();
      await store.setIf(key, 'absent', Buffer.from('0'), DAY);
      const count = async (): Promise<void> => {
        const before = (await valueOf(key))!;
        const after = Buffer.from(String(Number(before) + 1));
        if (!(await store.setIf(key, is(before), after, DAY))) await count();
      };
      await Promise.all(Array.from({ length: 10 }, count));
      expect(String(await valueOf(key))).toBe('10');
    });

    it('judges again what another has changed meanwhile', async () => {
      const key = await holding(Buffer.from('0'));
      const writers = Array.from({ length: 10 }, (_, i) =>
        store.setIf(key, () => true, Buffer.from(`writer ${i}`), DAY),
      );
      expect(await Promise.all(writers)).toEqual(Array(10).fill(true));
    });
  });
}
