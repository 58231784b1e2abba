import { Registry } from 'prom-client';
import { Metrics } from '../metrics/metrics.js';
import { MeasuredSessionStore } from './measured-session-store.js';
import type { SessionStore } from './session-store.js';

const FIRST_LIMIT = 1_024;
const forever = (): Promise<never> => new Promise(() => undefined);

/** Answers reads, and no write. */
const store = {
  get: () => Promise.resolve(undefined),
  set: forever,
  setIf: forever,
  deleteIf: () => Promise.resolve(true),
} as unknown as SessionStore;

const VALUE = Buffer.from('a');
const REFUSED = { kind: 'unavailable' };

function many(write: () => Promise<unknown>): void {
  for (let i = 0; i < FIRST_LIMIT; i++) void write();
}

it('conditional writes that wait for each other hold up nobody else', async () => {
  const measured = new MeasuredSessionStore(store, new Metrics(new Registry()));
  many(() => measured.setIf('key', 'any', VALUE, 60));
  await expect(measured.setIf('key', 'any', VALUE, 60)).rejects.toMatchObject(REFUSED);
  await expect(measured.touchIf('key', 'any', 60)).rejects.toMatchObject(REFUSED);
  expect(await measured.get('other')).toBeUndefined();
  expect(await measured.deleteIf('key', 'any')).toBe(true);
});

it('nor do other writes hold up them', async () => {
  const measured = new MeasuredSessionStore(store, new Metrics(new Registry()));
  many(() => measured.set('key', VALUE, 60));
  await expect(measured.get('key')).rejects.toMatchObject(REFUSED);
  void measured.setIf('other', 'any', VALUE, 60);
  expect(await measured.deleteIf('other', 'any')).toBe(true);
});
