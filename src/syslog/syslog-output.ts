import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { SyslogSettings } from '../config/settings.js';
import { parseSyslogAddress, type SyslogAddress } from './syslog-address.js';
import { openCarrier, type SyslogCarrier } from './syslog-carrier.js';
import { SyslogMessages } from './syslog-message.js';

/** More than this is not kept for a receiver who is slow or away, in bytes: what comes then is dropped and counted. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** What is handed over at once, in bytes, or one message; so much may come twice when a connection breaks. */
const BATCH_BYTES = 64 * 1024;
/** The largest payload of a datagram (RFC 5426 section 3.2). */
const MAX_DATAGRAM_BYTES = 65_507;
const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 30_000;
/** A connection is believed in when it has held for so long, in ms: until then the next one waits longer. */
const STEADY_MS = 5_000;
/** At the end of the process, what still waits has so long to be taken, in ms. */
const LAST_CHANCE_MS = 500;

/** Sends log lines to a receiver of syslog, never at the cost of the service or of standard output. */
export class SyslogOutput {
  dropped = 0;
  private readonly address: SyslogAddress;
  private readonly messages: SyslogMessages;
  private waiting: Buffer[] = [];
  private underway: Buffer[] = [];
  /** Of both. */
  private bytes = 0;
  private carrier: SyslogCarrier | undefined;
  private isOpen = false;
  private retryMs = FIRST_RETRY_MS;
  private isTroubled = false;
  private logger: Logger | undefined;
  private whenClosed: (() => void) | undefined;

  /** @param ca certificates in PEM; without them those that Node.js brings are trusted */
  constructor(
    private readonly settings: SyslogSettings,
    serviceName: string,
    private readonly ca: string | undefined,
  ) {
    this.address = parseSyslogAddress(settings.address) as SyslogAddress;
    this.messages = new SyslogMessages(serviceName, settings.facility);
    this.open();
  }

  /** @param level pino's number */
  write(line: string, level: number): void {
    const message = this.messages.of(line, level);
    if (this.bytes + message.length > MAX_WAITING_BYTES || this.isTooLarge(message))
      return void this.dropped++;
    this.bytes += message.length;
    this.waiting.push(message);
    this.send();
  }

  /** What goes wrong, and that it is over, is told to this log. */
  tellTo(logger: Logger): void {
    this.logger = logger;
  }

  /** Resolves when nothing waits any more and the connection is closed in order, and soon in any case. */
  async end(): Promise<void> {
    if (!this.carrier) return;
    const closed = new Promise<void>((resolve) => (this.whenClosed = resolve));
    if (this.bytes === 0) this.carrier.close();
    await Promise.race([closed, sleep(LAST_CHANCE_MS)]);
  }

  private isTooLarge({ length }: Buffer): boolean {
    return this.address.transport === 'udp' && length > MAX_DATAGRAM_BYTES;
  }

  private open(): void {
    let steady: NodeJS.Timeout | undefined;
    this.carrier = openCarrier(this.address, this.ca, {
      opened: () => {
        this.isOpen = true;
        steady = setTimeout(() => this.believe(), STEADY_MS).unref();
        this.send();
      },
      closed: (why) => {
        clearTimeout(steady);
        this.closed(why);
      },
    });
  }

  private send(): void {
    if (!this.isOpen || this.underway.length > 0 || this.waiting.length === 0) return;
    this.underway = this.nextBatch();
    this.carrier?.send(this.underway, () => this.taken());
  }

  private nextBatch(): Buffer[] {
    let bytes = 0;
    const tooMany = this.waiting.findIndex((message) => (bytes += message.length) > BATCH_BYTES);
    return this.waiting.splice(0, tooMany < 0 ? Infinity : Math.max(1, tooMany));
  }

  private taken(): void {
    for (const { length } of this.underway) this.bytes -= length;
    this.underway = [];
    if (this.bytes === 0 && this.whenClosed) this.carrier?.close();
    this.send();
  }

  /** What was underway may have arrived: rather twice than never. */
  private closed(why: Error | undefined): void {
    this.carrier = undefined;
    this.isOpen = false;
    this.waiting.unshift(...this.underway);
    this.underway = [];
    if (this.whenClosed) return this.whenClosed();
    // Those of many processes do not come back all at once.
    setTimeout(() => this.open(), this.retryMs * (0.5 + Math.random() / 2)).unref();
    this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS);
    if (this.isTroubled) return;
    this.isTroubled = true;
    const { code = why?.message ?? 'it closed the connection' } = (why ?? {}) as NodeJS.ErrnoException;
    this.logger?.warn({ msg: 'syslog takes no lines', address: this.settings.address, reason: code });
  }

  private believe(): void {
    this.retryMs = FIRST_RETRY_MS;
    if (!this.isTroubled) return;
    this.isTroubled = false;
    this.logger?.info({ msg: 'syslog takes lines again', dropped: this.dropped });
  }
}
