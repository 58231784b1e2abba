import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Problem } from '../../problems/problem.js';
import type { SessionExchange } from './session-exchange.js';

/** Values up to this size, in bytes, are always read: ordinary sessions don't wait for a few huge ones. */
const SMALL_BYTES = 64 * 1024;
/** What larger values that are on their way or being stored may take together, in bytes: else a few clients could take all. */
const LARGE_VALUES_AT_LEAST = 32 * 1024 * 1024;
const LARGE_VALUES_SHARE = 4;

const NOTHING = Buffer.alloc(0);

/** How to end the reading of a body whose connection can't be read any more, while an answer can still be written. */
const readers = new WeakMap<Socket, (problem: Problem) => void>();

/** Reads request bodies as bytes, each up to a limit, and together up to another. */
export class ValueReader {
  private readonly largeBytesLimit: number;
  private largeBytes = 0;

  constructor(private readonly maxBytes: number) {
    this.largeBytesLimit = Math.max(LARGE_VALUES_AT_LEAST, LARGE_VALUES_SHARE * maxBytes);
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
        else if (this.hold(exchange, value.size + chunk.length)) value.add(chunk);
        else stop(tooMany(exchange));
      });
      // A connection that is cut before the end of the body: nothing may be stored.
      const leave = (): void => {
        exchange.hasClientLeft = true;
        stop(new Problem('bad_request', 'The client left within the body'));
      };
      request.on('error', leave);
      // A stream of HTTP/2 that is given up ends without an error, and as if its body were whole.
      request.on('aborted', leave);
      request.on('end', () => resolve(value.bytes()));
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

  /** Once the answer is sent, the value is not held any more. */
  release(exchange: SessionExchange): void {
    this.largeBytes -= exchange.largeBytes;
    exchange.largeBytes = 0;
  }

  /** Counts what a large value has come to; false if there is no room for it now. */
  private hold(exchange: SessionExchange, size: number): boolean {
    if (size <= SMALL_BYTES) return true;
    const more = size - exchange.largeBytes;
    if (this.largeBytes + more > this.largeBytesLimit) return false;
    this.largeBytes += more;
    exchange.largeBytes = size;
    return true;
  }

  private tooLarge(exchange: SessionExchange): Problem {
    refuseRest(exchange);
    return new Problem('too_large', `The value is larger than ${this.maxBytes} bytes`);
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

function tooMany(exchange: SessionExchange): Problem {
  refuseRest(exchange);
  return new Problem('unavailable', 'Too many large values are on their way', { 'retry-after': '1' });
}

function refuseRest({ connection, request, response }: SessionExchange): void {
  connection.refuseRest(request, response);
}
