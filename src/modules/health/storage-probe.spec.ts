import { Writable } from 'node:stream';
import { PinoLogger } from 'nestjs-pino';
import { Registry } from 'prom-client';
import { Metrics } from '../metrics/metrics.js';
import { SessionStore } from '../storage/session-store.js';
import { StorageError } from '../storage/storage-error.js';
import { StorageProbe } from './storage-probe.js';

/** A store that answers its next probes as a test says. */
class ScriptedStore extends SessionStore {
  probes = 0;
  answer: () => Promise<void> = () => Promise.resolve();
  get = (): Promise<undefined> => Promise.resolve(undefined);
  set = (): Promise<void> => Promise.resolve();
  touch = this.get;
  delete = this.set;
  setIf = (): Promise<boolean> => Promise.resolve(true);
  touchIf = this.get;
  deleteIf = this.setIf;
  adopt = this.set;
  probe(): Promise<void> {
    this.probes++;
    return this.answer();
  }
}

const refuse = (): Promise<void> =>
  Promise.reject(new StorageError('unavailable', 'away', { cause: new Error('node 1 said no') }));

describe('StorageProbe', () => {
  let lines: { msg: string; reason?: string }[];
  let store: ScriptedStore;
  let metrics: Metrics;
  let probe: StorageProbe;

  beforeEach(() => {
    jest.useFakeTimers();
    lines = [];
    const output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        lines.push(JSON.parse(String(chunk)));
        done();
      },
    });
    store = new ScriptedStore();
    metrics = new Metrics(new Registry());
    const logger = { error: log, info: log } as unknown as PinoLogger;
    function log(fields: object, msg?: string): void {
      output.write(JSON.stringify({ msg, ...fields }));
    }
    probe = new StorageProbe(store, metrics, logger);
  });

  afterEach(() => {
    probe.onApplicationShutdown();
    jest.useRealTimers();
  });

  it('knows the state before the service listens', async () => {
    expect(probe.state.up).toBe(false);
    await probe.onApplicationBootstrap();
    expect(probe.state).toEqual({ up: true });
    expect((await metrics.storageUp.get()).values[0]?.value).toBe(1);
  });

  it('asks once a second, whoever asks it', async () => {
    await probe.onApplicationBootstrap();
    await jest.advanceTimersByTimeAsync(10_000);
    for (let i = 0; i < 100; i++) expect(probe.state.up).toBe(true);
    expect(store.probes).toBe(11);
  });

  it('never has two probes under way', async () => {
    await probe.onApplicationBootstrap();
    let underWay = 0;
    let most = 0;
    store.answer = () => {
      most = Math.max(most, ++underWay);
      return new Promise((resolve) => setTimeout(() => resolve(void underWay--), 5_000));
    };
    await jest.advanceTimersByTimeAsync(30_000);
    expect(most).toBe(1);
  });

  it('says why the storage does not serve, with the cause', async () => {
    store.answer = refuse;
    await probe.onApplicationBootstrap();
    expect(probe.state).toEqual({ up: false, reason: 'away: node 1 said no' });
    expect((await metrics.storageUp.get()).values[0]?.value).toBe(0);
  });

  it('does not wait for a storage that hangs', async () => {
    store.answer = () => new Promise(() => undefined);
    const started = probe.onApplicationBootstrap();
    await jest.advanceTimersByTimeAsync(900);
    await started;
    expect(probe.state).toEqual({ up: false, reason: 'storage has not answered yet' });
  });

  it('is down after three failures in a row, and up after two successes', async () => {
    const results = 'ffsffs fff sfss'.replaceAll(' ', '');
    const ups: string[] = [];
    await probe.onApplicationBootstrap();
    for (const result of results) {
      store.answer = result === 'f' ? refuse : () => Promise.resolve();
      await jest.advanceTimersByTimeAsync(1_000);
      ups.push(probe.state.up ? 'u' : 'd');
      expect((await metrics.storageUp.get()).values[0]?.value).toBe(result === 'f' ? 0 : 1);
    }
    expect(ups.join('')).toBe('uuuuuu uud dddu'.replaceAll(' ', ''));
  });

  it('stays up while the storage is slow', async () => {
    await probe.onApplicationBootstrap();
    store.answer = () => new Promise((resolve) => setTimeout(resolve, 2_400));
    await jest.advanceTimersByTimeAsync(60_000);
    expect(probe.state.up).toBe(true);
    expect(store.probes).toBeLessThan(22);
  });

  it('is down once what hangs has failed three times', async () => {
    await probe.onApplicationBootstrap();
    store.answer = () =>
      new Promise((_resolve, reject) => setTimeout(() => reject(new StorageError('timeout', 'late')), 2_400));
    await jest.advanceTimersByTimeAsync(8_000);
    expect(probe.state.up).toBe(true);
    await jest.advanceTimersByTimeAsync(2_000);
    expect(probe.state).toEqual({ up: false, reason: 'late' });
  });

  it('tells when the storage goes, once a minute that it is away, and when it is back', async () => {
    await probe.onApplicationBootstrap();
    expect(lines).toEqual([]);
    store.answer = refuse;
    await jest.advanceTimersByTimeAsync(152_000);
    expect(lines).toEqual(Array(3).fill({ msg: 'storage does not serve', reason: 'away: node 1 said no' }));
    store.answer = () => Promise.resolve();
    await jest.advanceTimersByTimeAsync(5_000);
    expect(lines.slice(3)).toEqual([{ msg: 'storage serves again' }]);
  });

  it('tells another reason soon, and no more than six times a minute', async () => {
    const refuseFor = (reason: string) => () => Promise.reject(new StorageError('unavailable', reason));
    await probe.onApplicationBootstrap();
    store.answer = refuseFor('away');
    await jest.advanceTimersByTimeAsync(3_000);
    store.answer = refuseFor('no table');
    await jest.advanceTimersByTimeAsync(30_000);
    expect(lines.map((line) => line.reason)).toEqual(['away', 'no table']);

    let probes = 0;
    store.answer = () => refuseFor(`reason ${++probes}`)();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(lines.length).toBeLessThanOrEqual(2 + 6);
  });
});
