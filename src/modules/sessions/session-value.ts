import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { finished } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../../problems/problem.js';

/**
 * How long a client that sends too much may go on after its answer, in ms. Closing at once would reset the connection
 * while it still writes, and it might never see the answer; reading on without end would be its to decide.
 */
const LINGER_MS = 5_000;

/** Values up to this size, in bytes, are always read: ordinary sessions don't wait for a few huge ones. */
const SMALL_BYTES = 64 * 1024;
/** What larger values that are on their way or being stored may take together, in bytes: else a few clients could take all. */
const LARGE_VALUES_AT_LEAST = 32 * 1024 * 1024;
const LARGE_VALUES_SHARE = 4;

/** How to end the reading of a body whose connection can't be read any more, while an answer can still be written. */
const readers = new WeakMap<Socket, (problem: Problem) => void>();

/** Reads request bodies as bytes, each up to a limit, and together up to another. */
export class ValueReader {
  private readonly largeBytesLimit: number;
  private largeBytes = 0;

  constructor(private readonly maxBytes: number) {
    this.largeBytesLimit = Math.max(LARGE_VALUES_AT_LEAST, LARGE_VALUES_SHARE * maxBytes);
  }

  /** For every content type. */
  register(fastify: FastifyInstance): void {
    fastify.decorateRequest('largeBytes', 0);
    fastify.addHook('preParsing', (request, reply, payload, done) => {
      this.continueIfItFits(request, reply);
      done(null, payload);
    });
    fastify.removeAllContentTypeParsers();
    fastify.addContentTypeParser('*', (request: FastifyRequest, body: IncomingMessage) =>
      declaredBytes(request) > this.maxBytes ? Promise.reject(this.tooLarge(body)) : this.read(request, body),
    );
  }

  /** Who asks before he sends (RFC 9110 section 10.1.1) is told to go on only if his value will be read. */
  private continueIfItFits(request: FastifyRequest, reply: FastifyReply): void {
    const asks = request.headers.expect?.toLowerCase() === '100-continue';
    if (asks && declaredBytes(request) <= this.maxBytes) reply.raw.writeContinue();
    if (mayBeLarge(request)) reply.raw.once('close', () => (this.largeBytes -= request.largeBytes));
  }

  private read(request: FastifyRequest, body: IncomingMessage): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const stop = (problem: Problem): void => {
        body.removeAllListeners('data');
        chunks.length = 0;
        reject(problem);
      };
      body.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > this.maxBytes) stop(this.tooLarge(body));
        else if (this.hold(request, size)) chunks.push(chunk);
        else stop(tooMany(body));
      });
      body.once('end', () =>
        resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size)),
      );
      // A connection that is cut before the end of the body: nothing may be stored.
      body.once('error', () => {
        request.clientLeft = true;
        stop(new Problem('bad_request', 'The client left within the body'));
      });
      readers.set(body.socket, stop);
      body.once('close', () => readers.delete(body.socket));
    });
  }

  /** Counts what a large value has come to; false if there is no room for it now. */
  private hold(request: FastifyRequest, size: number): boolean {
    if (size <= SMALL_BYTES) return true;
    const more = size - request.largeBytes;
    if (this.largeBytes + more > this.largeBytesLimit) return false;
    this.largeBytes += more;
    request.largeBytes = size;
    return true;
  }

  private tooLarge(body: IncomingMessage): Problem {
    closeLingering(body);
    return new Problem('too_large', `The value is larger than ${this.maxBytes} bytes`);
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** What the request's value counts for among the large ones; until its answer is sent. */
    largeBytes: number;
  }
}

/** Ends a body that is being read on this connection, if there is one; its request is then answered as any other. */
export function cutBody(socket: Socket, problem: Problem): boolean {
  const stop = readers.get(socket);
  stop?.(problem);
  return stop !== undefined;
}

function declaredBytes(request: FastifyRequest): number {
  return Number(request.headers['content-length'] ?? 0);
}

function mayBeLarge(request: FastifyRequest): boolean {
  return declaredBytes(request) > SMALL_BYTES || request.headers['transfer-encoding'] !== undefined;
}

function tooMany(body: IncomingMessage): Problem {
  closeLingering(body);
  return new Problem('unavailable', 'Too many large values are on their way', { 'retry-after': '1' });
}

/**
 * RFC 9112 section 9.6: after an answer with `Connection: close` only the sending side is closed, and the rest of the
 * body is read and dropped, for a while.
 */
function closeLingering(body: IncomingMessage): void {
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
