import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { Guardian } from './guardian.js';
import { REPOSITORY } from './repository.js';

const MAIN = path.join(REPOSITORY, 'dist/main.js');

export type LogLine = Record<string, unknown> & { msg: string; level: string };

export interface KaskOptions {
  env?: Record<string, string>;
  args?: string[];
  cwd?: string;
  /** An empty directory for its configuration, which is removed with it. */
  directory?: string;
  /** A command that the service runs under, such as `unshare --mount`. */
  under?: string[];
  /** What runs in place of the built service, given its configuration file. */
  program?: (configFile: string) => string[];
  /** Until it listens. */
  startsWithinMs?: number;
  /** A shell command that ends what outlives the process that was started. */
  lastCommand?: string;
}

/** The built service as a process of its own, listening on a free port of 127.0.0.1. */
export class KaskProcess {
  private static readonly running = new Set<KaskProcess>();
  stdout = '';
  stderr = '';
  /** Origin of the running service, such as `http://127.0.0.1:41234`. */
  origin = '';
  /** Origin of the management port, if it has one. */
  management = '';
  readonly exited: Promise<number | null>;

  private constructor(
    private readonly child: ChildProcess,
    directory: string,
    private readonly baseUri: string,
    readonly configFile: string,
    lastCommand?: string,
  ) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    KaskProcess.running.add(this);
    const guardian = new Guardian(directory, lastCommand);
    guardian.watch([this.pid]);
    this.exited = once(child, 'close').then(async ([code]) => {
      KaskProcess.running.delete(this);
      guardian.watch([]);
      await guardian.finish();
      return code as number | null;
    });
  }

  /** Spawns the service without waiting for it: for configurations that it must refuse. */
  static spawn(settings: Record<string, unknown>, options: KaskOptions = {}): KaskProcess {
    const directory = options.directory ?? mkdtempSync(path.join(tmpdir(), 'kask-'));
    const all = {
      base_uri: '/sessions/v1/',
      listen_address: '127.0.0.1',
      listen_port: 0,
      shutdown_delay_ms: 0,
      ...settings,
    };
    const file = path.join(directory, 'config.yaml');
    writeFileSync(file, stringify(all));
    const program = options.program?.(file) ?? [MAIN, '--config', file];
    const command = [...(options.under ?? []), ...program, ...(options.args ?? [])];
    const child = spawn(command[0] as string, command.slice(1), {
      env: { ...process.env, ...options.env },
      cwd: options.cwd ?? directory,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new KaskProcess(child, directory, all.base_uri, file, options.lastCommand);
  }

  /** Starts the service and resolves once it listens. */
  static async start(settings: Record<string, unknown>, options: KaskOptions = {}): Promise<KaskProcess> {
    const kask = KaskProcess.spawn(settings, options);
    const listening = await kask
      .waitForLog((line) => line.msg === 'listening', options.startsWithinMs ?? 20_000)
      .catch((error: unknown) => {
        void kask.kill();
        throw error;
      });
    kask.origin = listening.origin as string;
    kask.management = (listening.management ?? '') as string;
    return kask;
  }

  /** After a test that failed before it stopped what it had started. */
  static async killAll(): Promise<void> {
    await Promise.all([...KaskProcess.running].map((kask) => kask.kill()));
  }

  get pid(): number {
    return this.child.pid as number;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The URL of a key, percent-encoded as MediaWiki's client does it. */
  url(key: string): string {
    return this.origin + this.path(key);
  }

  path(key: string): string {
    return this.baseUri + encodeURIComponent(key);
  }

  /** What was logged so far; a line that is not JSON is a fault of the service and throws. */
  logs(): LogLine[] {
    const lines = this.stdout.split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as LogLine);
  }

  async waitForLog(matches: (line: LogLine) => boolean, timeoutMs = 10_000): Promise<LogLine> {
    const end = Date.now() + timeoutMs;
    while (Date.now() < end) {
      const found = this.logs().find(matches);
      if (found) return found;
      if (!this.isRunning) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`the expected log line did not come:\n${this.stdout}${this.stderr}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** SIGTERM, then the exit code. */
  async stop(): Promise<number | null> {
    this.signal('SIGTERM');
    return this.exited;
  }

  /** SIGKILL: what `kill -9`, the OOM killer and a power cut of the pod do. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }
}
