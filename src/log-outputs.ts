import { readFileSync } from 'node:fs';
import { type DestinationStream, type Logger, symbols } from 'pino';
import type { Settings } from './config/settings.js';
import { LogOutput } from './log-output.js';
import { SyslogOutput } from './syslog/syslog-output.js';

const STANDARD_OUTPUT = 1;

/** Where log lines go: to standard output, and to syslog beside it if the settings name a receiver. */
export class LogOutputs implements DestinationStream {
  /** Makes pino tell the level of a line before it writes it. */
  readonly [symbols.needsMetadataGsym] = true;
  lastLevel = 0;
  private readonly standard = new LogOutput(STANDARD_OUTPUT);
  private readonly syslog: SyslogOutput | undefined;

  constructor({ log, service_name }: Pick<Settings, 'log' | 'service_name'>) {
    const { syslog } = log ?? {};
    this.syslog =
      syslog && new SyslogOutput(syslog, service_name, syslog.ca && readFileSync(syslog.ca, 'utf8'));
  }

  write(line: string): void {
    this.standard.write(line);
    this.syslog?.write(line, this.lastLevel);
  }

  /** Lines that were lost so far, by output. */
  get dropped(): { stdout: number; syslog: number } {
    return { stdout: this.standard.dropped, syslog: this.syslog?.dropped ?? 0 };
  }

  /** What an output has to say of itself is a line as well. */
  tellTo(logger: Logger): void {
    this.syslog?.tellTo(logger);
  }

  /** Before the process exits, which standard output needs nobody to tell. */
  async end(): Promise<void> {
    await this.syslog?.end();
  }
}
