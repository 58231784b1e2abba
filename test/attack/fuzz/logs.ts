import { table } from '../../../bench/report/table.js';
import type { LogLine } from '../../harness/kask.js';
import type { Shape, Target } from '../target.js';
import { PLANTED } from './odd-text.js';

/** What a client puts there himself is his to tell. */
const CHOSEN_BY_CLIENTS = ['request_id', 'identity'];
const AROUND = 60;
/** Of lines of one kind in a second of the clock: twice the budget, as two of its windows may meet there. */
const MOST_A_SECOND = 2 * 50 + 5;

/** All that a service logged. */
export class LogTally {
  readonly shape: Shape;
  readonly lines: number;
  readonly wrong: string[];
  private readonly counts = new Map<string, number>();

  constructor({ shape, kask }: Target) {
    const logs = kask.logs();
    this.shape = shape;
    this.lines = logs.length;
    for (const { level, msg, status } of logs) {
      const kind = [level, msg, status].filter(Boolean).join(' ');
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    }
    const errors = logs.filter(({ level }) => level === 'ERROR' || level === 'FATAL');
    this.wrong = [
      ...errors.map((line) => `logged ${JSON.stringify(line)}`),
      ...logs.flatMap((line) => leaks(withoutChosen(line))).map((each) => `in a log line: ${each}`),
      ...busySeconds(logs),
      ...leaks(kask.stderr).map((each) => `on standard error: ${each}`),
      ...(kask.stderr
        ? [`wrote ${kask.stderr.length} characters to standard error: ${kask.stderr.slice(0, 500)}`]
        : []),
    ];
  }

  told(requests: number): string {
    const rows = [...this.counts].sort(([, a], [, b]) => b - a).map(([kind, count]) => [kind, String(count)]);
    const each = (this.lines / requests).toFixed(3);
    return [
      `Log lines of \`${this.shape}\`: ${this.lines}, ${each} for each request of all`,
      table(['Line', 'Count'], rows),
    ].join('\n\n');
  }
}

/** A line for each of many requests would fill disks at the pace of the attacker. */
function busySeconds(logs: LogLine[]): string[] {
  const counts = new Map<string, number>();
  for (const { msg, time } of logs) {
    const second = `${msg}" at ${String(time).slice(0, 19)}`;
    counts.set(second, (counts.get(second) ?? 0) + 1);
  }
  const [[second, most] = ['', 0]] = [...counts].sort(([, a], [, b]) => b - a);
  return most > MOST_A_SECOND ? [`${most} lines "${second}`] : [];
}

/** Where the marker of all keys is in a text. */
export function leaks(text: string): string[] {
  const at = text.indexOf(PLANTED);
  return at === -1 ? [] : [text.slice(Math.max(0, at - AROUND), at + AROUND)];
}

function withoutChosen(line: LogLine): string {
  return JSON.stringify(line, (name, value: unknown) =>
    CHOSEN_BY_CLIENTS.includes(name) ? undefined : value,
  );
}
