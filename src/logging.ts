import { Logger as NestLogger } from 'nestjs-pino';
import { type DestinationStream, type Logger, pino } from 'pino';
import type { Settings } from './config/settings.js';

/** The names of levels in a log line, as log collectors of the service before this one know them. */
const LEVEL_NAMES: Record<string, string> = {
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
  fatal: 'FATAL',
};

/** One JSON object a line: `msg`, `appname`, `time`, `level` and, in lines about a request that has one, `request_id`. */
export function createLogger(
  settings: Pick<Settings, 'service_name' | 'log_level'>,
  destination: DestinationStream,
): Logger {
  const options = {
    level: settings.log_level === 'warning' ? 'warn' : settings.log_level,
    base: { appname: settings.service_name },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: LEVEL_NAMES[label] ?? 'DEBUG' }) },
  };
  return pino(options, destination);
}

/** What Nest tells of its own start is for who debugs it; what our services tell goes through PinoLogger. */
export class FrameworkLogger extends NestLogger {
  override log(message: unknown, ...parameters: unknown[]): void {
    this.debug(message, ...parameters);
  }
}
