import dgram from 'node:dgram';
import dns from 'node:dns';
import net from 'node:net';
import tls from 'node:tls';
import type { SyslogAddress } from './syslog-address.js';

/** A receiver who takes nothing for so long, or does not let us connect, is connected to anew, in ms. */
const PATIENCE_MS = 30_000;

export interface CarrierEvents {
  opened: () => void;
  /** Once, whether it had been opened or not; nothing is sent by this carrier any more. */
  closed: (why: Error | undefined) => void;
}

/** A way to a receiver of syslog, as long as it lasts. */
export abstract class SyslogCarrier {
  /** What is sent next waits for `taken`. It is not called for what may not have been taken: then the carrier closes. */
  abstract send(messages: readonly Buffer[], taken: () => void): void;
  abstract close(): void;
}

export function openCarrier(
  address: SyslogAddress,
  ca: string | undefined,
  events: CarrierEvents,
): SyslogCarrier {
  return address.transport === 'udp'
    ? new DatagramCarrier(address, events)
    : new StreamCarrier(address, ca, events);
}

/** TCP and Unix sockets with the octet counting of RFC 6587 section 3.4.1, as TLS has it in RFC 5425 section 4.3.1. */
class StreamCarrier extends SyslogCarrier {
  private readonly socket: net.Socket;
  private isOpen = false;
  private isSending = false;

  constructor(
    address: Exclude<SyslogAddress, { transport: 'udp' }>,
    ca: string | undefined,
    events: CarrierEvents,
  ) {
    super();
    this.socket = connect(address, ca);
    let why: Error | undefined;
    this.socket
      .setKeepAlive(true, PATIENCE_MS)
      .setTimeout(PATIENCE_MS)
      .once(address.transport === 'tls' ? 'secureConnect' : 'connect', () => {
        this.isOpen = true;
        events.opened();
      })
      .on('timeout', () => {
        if (!this.isOpen || this.isSending) this.socket.destroy(new Error('it took nothing'));
      })
      .on('error', (error) => (why = error))
      .once('close', () => events.closed(why))
      // A receiver says nothing; without a reader its end would not be noticed.
      .resume()
      .unref();
  }

  send(messages: readonly Buffer[], taken: () => void): void {
    this.isSending = true;
    const frames = messages.flatMap((message) => [Buffer.from(`${message.length} `), message]);
    this.socket.write(Buffer.concat(frames), (error) => {
      this.isSending = false;
      if (!error) taken();
    });
  }

  close(): void {
    this.socket.destroySoon();
  }
}

function connect(address: Exclude<SyslogAddress, { transport: 'udp' }>, ca: string | undefined): net.Socket {
  if (address.transport === 'unix') return net.connect(address.path);
  const { transport, host, port } = address;
  // The certificate has to name the host as the address does (RFC 5425 section 5.2).
  return transport === 'tls'
    ? tls.connect({ host, port, ca, servername: net.isIP(host) ? '' : host })
    : net.connect({ host, port });
}

/** A datagram for each message (RFC 5426). Connected, so that the name is looked up once, and refusals are told. */
class DatagramCarrier extends SyslogCarrier {
  private socket: dgram.Socket | undefined;
  private isClosed = false;

  constructor(
    { host, port }: { host: string; port: number },
    private readonly events: CarrierEvents,
  ) {
    super();
    dns.lookup(host, (error, address, family) => {
      if (error) this.fail(error);
      else if (!this.isClosed) this.connect(port, address, family);
    });
  }

  send(messages: readonly Buffer[], taken: () => void): void {
    let underway = messages.length;
    for (const message of messages)
      this.socket?.send(message, (error) => {
        if (error) this.fail(error);
        if (--underway === 0 && !this.isClosed) taken();
      });
  }

  close(): void {
    this.fail(undefined);
  }

  private connect(port: number, address: string, family: number): void {
    this.socket = dgram
      .createSocket(family === 6 ? 'udp6' : 'udp4')
      .on('error', (error) => this.fail(error))
      .once('connect', this.events.opened)
      .unref();
    this.socket.connect(port, address);
  }

  private fail(why: Error | undefined): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.socket?.close();
    this.events.closed(why);
  }
}
