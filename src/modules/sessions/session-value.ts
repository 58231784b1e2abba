import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { Socket } from 'node:net';
import { Problem } from '../../problems/problem.js';
import type { Namespace } from '../namespaces/namespaces.js';
import type { SessionExchange } from './session-exchange.js';
import { SMALL_BYTES, TOO_MANY_VALUES, ValuesUnderway } from './values-underway.js';

const NOTHING = Buffer.alloc(0);

/** How to end the reading of a body whose connection can't be read any more, while an answer can still be written. */
const readers = new WeakMap<Socket, (problem: Problem) => void>();

/** Reads request bodies as bytes, each up to a limit, and together up to another. */
export class ValueReader {
  private readonly arriving: ValuesUnderway;

  constructor(private readonly maxBytes: number) {
    this.arriving = new ValuesUnderway(maxBytes, 'slow_request');
  }

  /**
   * The whole body, or rejects with the Problem that it has; until then nothing of it is stored anywhere.
   *
   * @param namespace whose budget the value is for
   */
  read(exchange: SessionExchange, namespace?: Namespace): Promise<Buffer> {
    const { request, response } = exchange;
    const declared = declaredBytes(request);
    if (declared > this.maxBytes) return Promise.reject(this.tooLarge(exchange));
    const refusal = namespace?.refusalOf(declared);
    if (refusal) {
      this.decline(exchange);
      return Promise.reject(refusal);
    }
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
      // A connection that is cut before the end of the body: nothing may be stored.
      const leave = (): void => {
        exchange.hasClientLeft = true;
        stop(new Problem('bad_request', 'The client left within the body'));
      };
      request.on('error', leave);
      // A stream of HTTP/2 that is given up ends without an error, and as if its body were whole.
      request.on('aborted', leave);
      request.on('end', () => {
        this.arriving.arrived(exchange);
        resolve(value.bytes());
      });
      readers.set(request.socket, (problem) => {
        response.shouldKeepAlive = false;
        stop(problem);
      });
      request.on('close', () => readers.delete(request.socket));
    });
  }

  /**
   * What has no meaning is read all the same, up to the limit: the next request on the connection comes after it. Resolves
   * whether there was anything.
   */
  async skip(exchange: SessionExchange): Promise<boolean> {
    if (hasNoBody(exchange.request)) return false;
    return (await this.read(exchange)).length > 0;
  }

  /** The body of who may not speak is not waited for, unless it is small: nothing was read of it yet. */
  decline(exchange: SessionExchange): void {
    const { request } = exchange;
    const isSmall =
      request.headers['transfer-encoding'] === undefined && declaredBytes(request) <= SMALL_BYTES;
    if (!isSmall) refuseRest(exchange);
  }

  /** Once the answer is sent, the value is not held any more. */
  release(exchange: SessionExchange): void {
    this.arriving.release(exchange);
  }

  private tooLarge(exchange: SessionExchange): Problem {
    refuseRest(exchange);
    return new Problem('too_large', `The value is larger than ${this.maxBytes} bytes`);
  }

  private tooMany(exchange: SessionExchange): Problem {
    refuseRest(exchange);
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

/** By HTTP/2 a body comes without a header that tells of it, too (RFC 9113 section 8.1). */
function hasNoBody(request: IncomingMessage): boolean {
  if (request.httpVersionMajor > 1) return (request as unknown as Http2ServerRequest).stream.endAfterHeaders;
  return declaredBytes(request) === 0 && request.headers['transfer-encoding'] === undefined;
}

/** Who asks before he sends (RFC 9110 section 10.1.1); who speaks HTTP/1.0 would take the 100 for his answer. */
function asksToContinue({ httpVersion, headers }: IncomingMessage): boolean {
  return headers.expect?.toLowerCase() === '100-continue' && httpVersion !== '1.0';
}

function refuseRest({ connection, request, response }: SessionExchange): void {
  connection.refuseRest(request, response);
}
