import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { commandExists } from '../prerequisites.js';
import { CQL_PORT } from './loopback.js';
import { changeAddress, type NodeFiles } from './node-files.js';
import { Hopeless } from './poll.js';
import type { NodePlan } from './topology.js';

/** One Cassandra process after another, over the same files. */
export class CassandraNode {
  readonly name: string;
  address: string;
  readonly datacenter: string;
  private child?: ChildProcess;
  private frozen = false;

  constructor(
    plan: NodePlan,
    private readonly files: NodeFiles,
    private readonly command: readonly string[],
    /** The group id that its process runs under. */
    readonly group?: number,
  ) {
    this.name = plan.name;
    this.address = plan.address;
    this.datacenter = plan.datacenter;
  }

  /** The process id, while there is a process. */
  get pid(): number | undefined {
    return this.alive ? this.child?.pid : undefined;
  }

  get alive(): boolean {
    return this.child?.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Whether it is worth talking to. */
  get awake(): boolean {
    return this.alive && !this.frozen;
  }

  /** Starts the process and does not wait for it to serve. */
  spawn(onExit: () => void): void {
    if (this.alive) throw new Error(`${this.name} runs already`);
    const [program, ...rest] = [...privileges(this.group), ...this.command] as [string, ...string[]];
    const output = openSync(this.files.output, 'a');
    // A process group of its own: Ctrl-C is for the tests, and the guardian ends the node.
    this.child = spawn(program, rest, {
      cwd: this.files.directory,
      detached: true,
      stdio: ['ignore', output, output],
    });
    this.frozen = false;
    this.child.once('exit', onExit).on('error', () => undefined);
    this.child.unref();
    closeSync(output);
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.alive) throw new Error(`${this.name} does not run`);
    this.child?.kill(signal);
  }

  /** Its next process has another address. */
  moveTo(address: string): void {
    changeAddress(this.files, address);
    this.address = address;
  }

  freeze(): void {
    this.signal('SIGSTOP');
    this.frozen = true;
  }

  thaw(): void {
    this.signal('SIGCONT');
    this.frozen = false;
  }

  async exited(): Promise<void> {
    if (!this.alive || !this.child) return;
    this.child.ref();
    await once(this.child, 'exit');
  }

  /** Throws while nothing listens for clients. A node opens the port when it is ready to serve. */
  async connect(): Promise<void> {
    if (!this.alive) throw new Hopeless(`${this.name} ended:\n${this.lastWords()}`);
    const socket = connect({ host: this.address, port: CQL_PORT });
    try {
      await once(socket, 'connect');
    } finally {
      socket.destroy();
    }
  }

  /** The end of its logs, for messages: the directory is gone by the time that somebody reads them. */
  private lastWords(): string {
    const logs = [this.files.log, this.files.output].filter((file) => existsSync(file));
    const lines = logs.flatMap((file) => readFileSync(file, 'utf8').trimEnd().split('\n').slice(-15));
    return lines.join('\n');
  }
}

/** A JVM that may lock memory pins its whole heap, which doubles what a node takes; root may. */
function privileges(group: number | undefined): string[] {
  if (process.getuid?.() !== 0 || !commandExists('setpriv')) return [];
  const ofGroup = group === undefined ? [] : ['--regid', String(group), '--clear-groups'];
  return ['setpriv', '--bounding-set', '-ipc_lock', '--inh-caps', '-ipc_lock', ...ofGroup];
}
