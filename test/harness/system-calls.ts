import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { MissingPrerequisite } from './prerequisites.js';

/** A system call of a traced process, when it began or when it ended. */
export interface SystemCall {
  moment: 'began' | 'ended';
  /** As strace writes it, with what its file descriptors are: `fdatasync(19</data/data.mdb>) = 0`. */
  text: string;
}

/**
 * A command to start a service under, which writes its system calls of these names to a file, and makes those of some
 * names last longer, by microseconds.
 */
export function tracing(calls: string[], file: string, delays: Record<string, number> = {}): string[] {
  if (spawnSync('strace', ['-o', '/dev/null', 'true']).status !== 0)
    throw new MissingPrerequisite(
      'strace is needed to see when data reaches the disk (apt-get install strace), and it must be allowed to trace',
    );
  const delayed = Object.entries(delays).flatMap(([call, us]) => ['-e', `inject=${call}:delay_exit=${us}`]);
  // Other calls are not stopped at: the service is nearly as quick as without.
  const traced = ['--seccomp-bpf', '-e', `trace=${calls.join(',')}`];
  return ['strace', '-f', '-y', '-s', '32', '-o', file, ...traced, ...delayed];
}

/** What was traced, in order. A call that another thread's interrupts is printed in two parts; it ends with the second. */
export function readSystemCalls(file: string): SystemCall[] {
  const begun = new Map<string, string>();
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.flatMap((line): SystemCall[] => {
    const [, thread = '', text = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    const [, start] = /^(.*) <unfinished \.\.\.>$/.exec(text) ?? [];
    const [, end] = /^<\.\.\. \w+ resumed>(.*)$/.exec(text) ?? [];
    if (start !== undefined) begun.set(thread, start);
    if (start !== undefined) return [{ moment: 'began', text: start }];
    if (end !== undefined) return [{ moment: 'ended', text: `${begun.get(thread)}${end}` }];
    return [
      { moment: 'began', text },
      { moment: 'ended', text },
    ];
  });
}
