import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../endurance/random.js';
import { KaskProcess } from '../harness/kask.js';
import type { JudgeOptions } from './cassandra-judge.js';
import { JudgedLoad } from './judged-load.js';
import { RegisterLoad, REGISTERS } from './register-load.js';
import { onEmbedded } from './stores.js';

const TTL_SECONDS = 2;
const CLIENTS = 16;
const PAUSE_MS = 20;
const REQUEST_TIMEOUT_MS = 2_500;
/** Between a start and the next `kill -9`. */
const UP_MS = { from: 300, to: 5_000 };

/** One service on the embedded store that is killed and started again while clients share its sessions. */
export class EmbeddedJudge {
  readonly load: JudgedLoad;
  readonly registers: RegisterLoad;
  private readonly directory = mkdtempSync(path.join(tmpdir(), 'kask-judge-'));
  private kask?: KaskProcess;
  private kills = 0;

  constructor(private readonly options: JudgeOptions) {
    const services = [{ datacenter: 'embedded', url: (key: string) => this.running.url(key) }];
    this.registers = new RegisterLoad(services, { seed: options.seed, pauseMs: PAUSE_MS });
    this.load = new JudgedLoad(
      services,
      { ...onEmbedded(TTL_SECONDS * 1_000), seed: options.seed, frozen: [] },
      { clientsPerService: CLIENTS, pauseMs: PAUSE_MS, requestTimeoutMs: REQUEST_TIMEOUT_MS, mayBreak: true },
    );
  }

  /** The time in which it is up; its starts are not counted. */
  async judgeFor(ms: number): Promise<void> {
    const random = new Random(this.options.seed);
    await this.boot();
    this.load.start();
    this.registers.start();
    for (let left = ms; left > 0;) {
      const upMs = random.between(UP_MS.from, UP_MS.to);
      left -= upMs;
      await sleep(upMs);
      await this.running.kill();
      this.kills++;
      await this.boot();
    }
    await Promise.all([this.load.stop(), this.registers.stop()]);
    await this.load.readAll();
    this.options.tell(`killed ${this.kills} times`);
  }

  async stop(): Promise<void> {
    await this.kask?.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async boot(): Promise<void> {
    this.kask = await KaskProcess.start({
      default_ttl: TTL_SECONDS,
      namespaces: REGISTERS,
      storage: 'embedded',
      embedded: { path: this.directory },
    });
  }

  private get running(): KaskProcess {
    return this.kask as KaskProcess;
  }
}
