import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { Guardian } from '../../test/harness/guardian.js';

const STARTS_WITHIN_MS = 30_000;
const ERRORS_KEPT = 4_000;

/** A process that a guardian ends together with us, and its directory with it. */
export class PeerProcess {
  private errors = '';
  private readonly guardian: Guardian;
  private readonly exited: Promise<unknown>;

  private constructor(
    private readonly child: ChildProcess,
    private readonly name: string,
    directory: string,
  ) {
    this.guardian = new Guardian(directory);
    this.guardian.watch([this.pid]);
    this.exited = once(child, 'exit').then(() => this.guardian.watch([]));
    this.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.errors = (this.errors + text).slice(-ERRORS_KEPT);
    });
  }

  static async spawn(
    name: string,
    command: string[],
    directory: string,
    env: Record<string, string> = {},
  ): Promise<PeerProcess> {
    const child = spawn(command[0] as string, command.slice(1), {
      cwd: directory,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await once(child, 'spawn');
    return new PeerProcess(child, name, directory);
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** Host and port from the line of JSON with `origin` in it. */
  async listening(): Promise<string> {
    const origin = await this.inTime(this.origin());
    return new URL(origin).host;
  }

  /** Resolves when the attempt, repeated, succeeds: for those who do not say that they listen. */
  async answering(attempt: () => Promise<void>): Promise<void> {
    this.stdout.resume();
    await this.inTime(repeat(attempt));
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
    await this.guardian.finish();
  }

  private get stdout(): Readable {
    return this.child.stdout as Readable;
  }

  private get stderr(): Readable {
    return this.child.stderr as Readable;
  }

  /** Its further lines are read and dropped: a full pipe would stop it. */
  private origin(): Promise<string> {
    return new Promise((resolve) => {
      createInterface(this.stdout).on('line', (line) => {
        const origin = /"origin":"([^"]+)"/.exec(line)?.[1];
        if (origin) resolve(origin);
      });
    });
  }

  private async inTime<T>(outcome: Promise<T>): Promise<T> {
    const timer = new AbortController();
    const failed = (why: string) => () => {
      throw new Error(`${this.name} ${why}: ${this.errors.trim()}`);
    };
    const late = once(AbortSignal.any([timer.signal, AbortSignal.timeout(STARTS_WITHIN_MS)]), 'abort');
    try {
      return await Promise.race([
        outcome,
        this.exited.then(failed('ended')),
        late.then(failed('did not start in time')),
      ]);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }
}

async function repeat(attempt: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await attempt();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
