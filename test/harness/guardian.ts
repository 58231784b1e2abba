import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';

/**
 * Reads lines of process ids, the latest of which counts. The end of the input is the end of the tests: it kills
 * those processes, runs the last command and removes the directory, again if a dying process still wrote into it.
 */
const SCRIPT = `
pids=
while read -r line; do pids=$line; done
if [ -n "$pids" ]; then kill -9 $pids 2>/dev/null; fi
eval "$2"
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf "$1" && exit
  sleep 0.2
done
`;

/**
 * Ends what tests have started together with them, also when they were killed with -9 and could clean up nothing: the
 * kernel closes the pipe between us, whatever we died of. A parent-death signal for each process would not do: it
 * fires as well when the thread that started the process ends, and leaves the directory behind.
 *
 * Its directory goes in no other way, so that each normal stop tests it.
 */
export class Guardian {
  private readonly child: ChildProcess;
  private readonly pipe: Writable;
  private readonly exited: Promise<unknown>;

  constructor(directory: string, lastCommand = '') {
    // A session of its own: Ctrl-C in a terminal reaches us and not the guardian.
    this.child = spawn('sh', ['-c', SCRIPT, 'test-guardian', directory, lastCommand], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.pipe = this.child.stdin as Writable;
    this.pipe.on('error', () => undefined);
    this.exited = once(this.child, 'exit');
    this.letTestsEnd();
  }

  /** From now on these are the processes to kill. Ids of dead ones must not stay: the system gives them out again. */
  watch(pids: number[]): void {
    if (this.pipe.writable) this.pipe.write(`${pids.join(' ')}\n`);
  }

  /** Kills what is watched and removes the directory. */
  async finish(): Promise<void> {
    this.child.ref();
    this.pipe.end();
    await this.exited;
  }

  /** A suite that forgot to stop what it started should end nevertheless, and so should what it started. */
  private letTestsEnd(): void {
    this.child.unref();
    (this.pipe as Writable & { unref(): void }).unref();
  }
}
