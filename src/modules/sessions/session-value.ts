import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { finished } from 'node:stream';
import type { HttpConnections } from '../../http/http-connections.js';
import { Problem } from '../../problems/problem.js';
import type { SessionExchange } from './session-exchange.js';
import { SMALL_BYTES, TOO_MANY_VALUES, ValuesUnderway } from './values-underway.js';

/**
 * How long a client that sends too much may go on after its answer, in ms. Closing at once would reset the connection
 * while it still writes, and it might never see the answer; reading on without end would be its to decide.
 */
const LINGER_MS = 5_000;

const NOTHING = Buffer.alloc(0);

/** How to end the reading of a body whose connection can't be read any more, while an answer can still be written. */
const readers = new WeakMap<Socket, (problem: Problem) => void>();

/** Reads request bodies as bytes, each up to a limit, and together up to another. */
export class ValueReader {
  private readonly arriving: ValuesUnderway;

  constructor(
    private readonly maxBytes: number,
    connections: HttpConnections,
  ) {
    this.arriving = new ValuesUnderway(maxBytes, ({ request }) =>
      connections.of(request).close('slow_request'),
    );
  }

  /** The whole body, or rejects with the Problem that it has; until then nothing of it is stored anywhere. */
  read(exchange: SessionExchange): Promise<Buffer> {
    const { request, response } = exchange;
    const declared = declaredBytes(request);
    if (declared > this.maxBytes) return Promise.reject(this.tooLarge(exchange));
    // Told to go on only if his value will be read.
    if (asksToContinue(request)) response.writeContinue();
    return new Promise((resolve, reject) => {
      const value = new GrowingValue(declared || this.maxBytes);
      const stop = (problem: Problem): void => {
        request.removeAllListeners('data');
        value.clear();
        reject(problem);
      };
      request.on('data', (chunk: Buffer) => {
        if (value.size + chunk.length > this.maxBytes) stop(this.tooLarge(exchange));
        else if (this.arriving.hold(exchange, value.size + chunk.length)) value.add(chunk);
        else stop(this.tooMany(exchange));
      });
      request.on('end', () => {
        this.arriving.arrived(exchange);
        resolve(value.bytes());
      });
      // A connection that is cut before the end of the body: nothing may be stored.
      request.on('error', () => {
        exchange.hasClientLeft = true;
        stop(new Problem('bad_request', 'The client left within the body'));
      });
      readers.set(request.socket, (problem) => {
        response.shouldKeepAlive = false;
        stop(problem);
      });
      request.on('close', () => readers.delete(request.socket));
    });
  }

  /** What has no meaning is read all the same, up to the limit: the next request on the connection comes after it. */
  async skip(exchange: SessionExchange): Promise<void> {
    const { headers } = exchange.request;
    if (declaredBytes(exchange.request) > 0 || headers['transfer-encoding'] !== undefined)
      await this.read(exchange);
  }

  /** The body of who may not speak is not waited for, unless it is small: nothing was read of it yet. */
  decline(exchange: SessionExchange): void {
    const { request } = exchange;
    const isSmall =
      request.headers['transfer-encoding'] === undefined && declaredBytes(request) <= SMALL_BYTES;
    if (!isSmall) closeLingering(exchange);
  }

  /** Once the answer is sent, the value is not held any more. */
  release(exchange: SessionExchange): void {
    this.arriving.release(exchange);
  }

  private tooLarge(exchange: SessionExchange): Problem {
    closeLingering(exchange);
    return new Problem('too_large', `The value is larger than ${this.maxBytes} bytes`);
  }

  private tooMany(exchange: SessionExchange): Problem {
    closeLingering(exchange);
    return TOO_MANY_VALUES;
  }
}

/**
 * A value as it comes in: one that comes in one piece is not copied, and of a larger one there is never more than twice
 * what came, however much its client says that it will send.
 */
class GrowingValue {
  size = 0;
  private buffer: Buffer = NOTHING;

  /** @param mostBytes what it can come to */
  constructor(private readonly mostBytes: number) {}

  add(chunk: Buffer): void {
    const size = this.size + chunk.length;
    if (this.size === 0) this.buffer = chunk;
    else this.append(chunk, size);
    this.size = size;
  }

  bytes(): Buffer {
    return this.buffer.subarray(0, this.size);
  }

  clear(): void {
    this.buffer = NOTHING;
  }

  private append(chunk: Buffer, size: number): void {
    if (size > this.buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(size, Math.min(2 * size, this.mostBytes)));
      this.buffer.copy(larger, 0, 0, this.size);
      this.buffer = larger;
    }
    chunk.copy(this.buffer, this.size);
  }
}

/** Ends a body that is being read on this connection, if there is one; its request is then answered as any other. */
export function cutBody(socket: Socket, problem: Problem): boolean {
  const stop = readers.get(socket);
  stop?.(problem);
  return stop !== undefined;
}

function declaredBytes({ headers }: IncomingMessage): number {
  return Number(headers['content-length'] ?? 0);
}

/** Who asks before he sends (RFC 9110 section 10.1.1); who speaks HTTP/1.0 would take the 100 for his answer. */
function asksToContinue({ httpVersion, headers }: IncomingMessage): boolean {
  return headers.expect?.toLowerCase() === '100-continue' && httpVersion !== '1.0';
}

/**
 * RFC 9112 section 9.6: after an answer with `Connection: close` only the sending side is closed, and the rest of the
 * body is read and dropped, for a while.
 */
function closeLingering({ request: body, response }: SessionExchange): void {
  response.shouldKeepAlive = false;
  const { socket } = body;
  const closeBoth = socket.destroySoon.bind(socket);
  // What Node calls when such an answer is written.
  socket.destroySoon = () => {
    socket.end();
    finished(body, closeBoth);
  };
  const cut = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once('close', () => clearTimeout(cut));
  body.resume();
}
