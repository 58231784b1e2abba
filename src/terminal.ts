import { styleText } from 'node:util';
import type { Finding, Verdict } from './finding.js';

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red' } as const satisfies Record<Verdict, string>;
const CLEAR_LINE = '\r\x1b[K';
const INDENT = ' '.repeat(6);

/** Where a command tells what it does and finds: in colour on a terminal, in plain lines everywhere else. */
export class Terminal {
  readonly isTerminal: boolean;

  constructor(
    private readonly output: NodeJS.WriteStream = process.stdout,
    private readonly environment: NodeJS.ProcessEnv = process.env,
  ) {
    this.isTerminal = output.isTTY === true && environment.TERM !== 'dumb';
  }

  /** `ok|warn|fail  what: found -> fix`; on a terminal the fix has a line of its own. */
  tell({ verdict, what, found, fix }: Finding): void {
    const head = `${this.styled(COLOURS[verdict], verdict.padEnd(4))}  ${this.styled('bold', what)}: ${found}`;
    if (fix === undefined) this.line(head);
    else if (!this.isTerminal) this.line(`${head} -> ${fix}`);
    else this.line(`${head}\n${INDENT}${this.styled('cyan', `-> ${fix}`)}`);
  }

  heading(text: string): void {
    this.line(this.styled('bold', text));
  }

  line(text: string): void {
    this.output.write(`${this.isTerminal ? CLEAR_LINE : ''}${text}\n`);
  }

  /** What goes on now: in the last line of a terminal, until the next line is told; nowhere else. */
  progress(text: string): void {
    if (!this.isTerminal) return;
    // What goes on in a second line could not be cleared.
    // A terminal that nobody has told its size says 0.
    const columns = this.output.columns || 80;
    this.output.write(CLEAR_LINE + this.styled('dim', text.slice(0, columns - 1)));
  }

  /** https://no-color.org: any text in NO_COLOR. */
  private styled(style: Parameters<typeof styleText>[0], text: string): string {
    return this.isTerminal && !this.environment.NO_COLOR
      ? styleText(style, text, { validateStream: false })
      : text;
  }
}
