import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface RawAnswer {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: Buffer;
}

export interface RawRequest {
  method?: string;
  /** The request target, byte for byte. */
  target: string | Buffer;
  headers?: Record<string, string>;
  /** With a Content-Length, unless the headers say how the body is framed. */
  body?: string | Buffer;
}

const DEADLINE_MS = 20_000;

/** One request on a connection of its own, in exactly the bytes that are given. */
export async function exchange(origin: string, request: RawRequest, ca?: Buffer): Promise<RawAnswer> {
  const connection = await RawConnection.open(origin, ca);
  try {
    connection.send(requestBytes(request));
    return await connection.answer(request.method);
  } finally {
    connection.destroy();
  }
}

export function requestBytes({ method = 'GET', target, headers = {}, body }: RawRequest): Buffer {
  const framed = body === undefined || 'Content-Length' in headers || 'Transfer-Encoding' in headers;
  const length = framed ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const fields = Object.entries({ Host: 'kask.test', ...length, ...headers });
  return Buffer.concat([
    Buffer.from(`${method} `),
    Buffer.from(target),
    Buffer.from(` HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`),
    Buffer.from(body ?? ''),
  ]);
}

export function chunk(bytes: string | Buffer): Buffer {
  const size = Buffer.byteLength(bytes).toString(16);
  return Buffer.concat([Buffer.from(`${size}\r\n`), Buffer.from(bytes), Buffer.from('\r\n')]);
}

export const LAST_CHUNK = '0\r\n\r\n';

/** A connection whose every byte the test decides, and the answers that come on it. */
export class RawConnection {
  private received: Buffer = Buffer.alloc(0);
  private changed = () => {};
  /** Why the connection broke, if it did not end in order. */
  error: Error | undefined;
  /** The service has ended its side. */
  ended = false;
  closed = false;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (bytes: Buffer) =>
      this.update(() => (this.received = Buffer.concat([this.received, bytes]))),
    );
    socket.on('error', (error) => this.update(() => (this.error = error)));
    socket.on('end', () => this.update(() => (this.ended = true)));
    socket.on('close', () => this.update(() => (this.closed = true)));
  }

  static async open(origin: string, ca?: Buffer): Promise<RawConnection> {
    const { hostname, port, protocol } = new URL(origin);
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const options = { host, port: Number(port), allowHalfOpen: true };
    const socket = protocol === 'https:' ? connectTls({ ...options, ca }) : connect(options);
    await new Promise((resolve, reject) => {
      socket.once(protocol === 'https:' ? 'secureConnect' : 'connect', resolve);
      socket.once('error', reject);
    });
    return new RawConnection(socket);
  }

  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** Sends and waits until the operating system has it. */
  async deliver(bytes: string | Buffer): Promise<void> {
    const taken = new Promise<void>((resolve) => this.socket.write(bytes, () => resolve()));
    await Promise.race([taken, this.until(() => this.closed, 'the connection to close')]);
  }

  /** No more will be sent; answers may still come. */
  finish(): void {
    this.socket.end();
  }

  /** Reads nothing any more. */
  pause(): void {
    this.socket.pause();
  }

  /** As a client that dies does it. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** The next answer, an interim one (100) included; `method` is that of its request. */
  async answer(method = 'GET'): Promise<RawAnswer> {
    await this.until(() => this.head() !== undefined || this.ended || this.closed, 'the head of an answer');
    const head = this.head();
    if (!head)
      throw new Error(`no answer, but: ${this.received.toString('latin1')} ${this.error?.message ?? ''}`);
    const { status, headers } = head;
    const bodyless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
    const end = head.bytes + (bodyless ? 0 : Number(headers['content-length']));
    await this.until(() => this.received.length >= end || this.ended || this.closed, 'the body of an answer');
    const body = this.received.subarray(head.bytes, end);
    this.received = this.received.subarray(end);
    return { status, headers, body };
  }

  /** What came that no answer took. */
  get rest(): string {
    return this.received.toString('latin1');
  }

  async untilEnded(): Promise<void> {
    await this.until(() => this.ended || this.closed, 'the end of the connection');
  }

  private head(): { status: number; headers: Record<string, string>; bytes: number } | undefined {
    const end = this.received.indexOf('\r\n\r\n');
    if (end === -1) return undefined;
    const [statusLine = '', ...fields] = this.received.toString('latin1', 0, end).split('\r\n');
    const headers = fields.map((field) => {
      const colon = field.indexOf(':');
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
    });
    return { status: Number(statusLine.split(' ')[1]), headers: Object.fromEntries(headers), bytes: end + 4 };
  }

  private update(change: () => void): void {
    change();
    this.changed();
  }

  private async until(condition: () => boolean, what: string): Promise<void> {
    const end = Date.now() + DEADLINE_MS;
    while (!condition()) {
      const left = end - Date.now();
      if (left <= 0)
        throw new Error(`waited ${DEADLINE_MS} ms for ${what}; received: ${this.rest.slice(0, 500)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 1_000));
        this.changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
