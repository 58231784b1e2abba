import { hostname } from 'node:os';

/** Numerical codes of RFC 5424 section 6.2.1, in the names that syslog(3) has for them. */
export const FACILITIES = {
  user: 1,
  daemon: 3,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const;
export type Facility = keyof typeof FACILITIES;

const SEVERITIES = { debug: 7, info: 6, warning: 4, error: 3, critical: 2 } as const;
/** Of pino's levels (https://getpino.io/#/docs/api?id=levels) the lowest of each severity. */
const LEVELS = [
  [60, SEVERITIES.critical],
  [50, SEVERITIES.error],
  [40, SEVERITIES.warning],
  [30, SEVERITIES.info],
] as const;

const MAX_HOSTNAME = 255;
const MAX_APP_NAME = 48;

/**
 * Lines of the log as messages of RFC 5424. MSG is the line as it is, UTF-8 without a byte order mark, as a reader of JSON
 * takes none (RFC 8259 section 8.1); MSGID and STRUCTURED-DATA are nil.
 */
export class SyslogMessages {
  private readonly facility: number;
  private readonly origin: string;

  constructor(serviceName: string, facility: Facility = 'daemon') {
    this.facility = FACILITIES[facility];
    const host = printable(hostname(), MAX_HOSTNAME);
    this.origin = `${host} ${printable(serviceName, MAX_APP_NAME)} ${process.pid} - -`;
  }

  /** @param level pino's number */
  of(line: string, level: number): Buffer {
    const priority = this.facility * 8 + severityOf(level);
    return Buffer.from(`<${priority}>1 ${new Date().toISOString()} ${this.origin} ${line.trimEnd()}`);
  }
}

function severityOf(level: number): number {
  return LEVELS.find(([lowest]) => level >= lowest)?.[1] ?? SEVERITIES.debug;
}

/** PRINTUSASCII of section 6. */
function printable(text: string, length: number): string {
  return text.replace(/[^\x21-\x7e]/g, '_').slice(0, length) || '-';
}
