import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream';
import type { FastifyRequest, preParsingHookHandler } from 'fastify';
import { Problem } from '../../problems/problem.js';

/**
 * How long a client that sends too much may go on after its 413, in ms. Closing at once would reset the connection
 * while it still writes, and it might never see the answer; reading on without end would be its to decide.
 */
const LINGER_MS = 5_000;

/** Reads a request body as bytes, up to a limit: Fastify's content type parser for every content type. */
export function valueParser(maxBytes: number) {
  return (request: FastifyRequest, body: IncomingMessage): Promise<Buffer> => {
    return declaredBytes(request) > maxBytes
      ? Promise.reject(refuse(body, maxBytes))
      : readValue(body, maxBytes);
  };
}

/** Who asks before he sends (RFC 9110 section 10.1.1) is told to go on only if his value will be read. */
export function continueIfItFits(maxBytes: number): preParsingHookHandler {
  return (request, reply, payload, done) => {
    const asks = request.headers.expect?.toLowerCase() === '100-continue';
    if (asks && declaredBytes(request) <= maxBytes) reply.raw.writeContinue();
    done(null, payload);
  };
}

function declaredBytes(request: FastifyRequest): number {
  return Number(request.headers['content-length'] ?? 0);
}

function readValue(body: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let size = 0;
    body.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) return void chunks.push(chunk);
      chunks = [];
      body.removeAllListeners('data');
      reject(refuse(body, maxBytes));
    });
    body.once('end', () =>
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size)),
    );
    // A connection that is cut before the end of the body: nothing may be stored.
    body.once('error', () => reject(new Problem('bad_request', 'The request body ended early')));
  });
}

function refuse(body: IncomingMessage, maxBytes: number): Problem {
  closeLingering(body);
  return new Problem('too_large', `The value is larger than ${maxBytes} bytes`);
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
