import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../../problems/problem.js';

/**
 * How long a client that sends too much may go on after its 413, in ms. Closing at once would reset the connection
 * while it still writes, and it would never see the answer; reading on without end would be its to decide.
 */
const LINGER_MS = 5_000;

/** Reads a request body as bytes, up to a limit: Fastify's content type parser for every content type. */
export function valueParser(maxBytes: number) {
  return (request: FastifyRequest, body: IncomingMessage): Promise<Buffer> => {
    if (Number(request.headers['content-length'] ?? 0) > maxBytes)
      return Promise.reject(refuse(body, maxBytes));
    return readValue(body, maxBytes);
  };
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

/** Lets the rest of the body pass by unread, for a while. */
function refuse(body: IncomingMessage, maxBytes: number): Problem {
  const cut = setTimeout(() => body.socket.destroy(), LINGER_MS).unref();
  body.once('close', () => clearTimeout(cut));
  body.resume();
  return new Problem('too_large', `The value is larger than ${maxBytes} bytes`);
}
