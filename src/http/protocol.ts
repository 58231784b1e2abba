import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { Problem } from '../problems/problem.js';

const CLOSE = { connection: 'close' };

/** What HTTP asks of a server, and Node or Fastify leave to us or do past our metrics and problem documents. */
export function keepToProtocol(fastify: FastifyInstance): void {
  answerEveryExpectation(fastify);
  fastify.addHook('onRequest', ({ raw }, _reply, done) => {
    requireHost(raw);
    requireKnownCoding(raw);
    done();
  });
  takeTurns(fastify);
}

/**
 * Node would say 100 before we have looked at the request, and answer an expectation that it does not know with a bare
 * 417; a server may also ignore it (RFC 9110 section 10.1.1).
 */
function answerEveryExpectation({ server }: FastifyInstance): void {
  for (const event of ['checkContinue', 'checkExpectation'])
    server.on(event, (request, response) => server.emit('request', request, response));
}

/** RFC 9112 section 3.2: one in HTTP/1.1, and never more. Node shows the first of several. */
function requireHost({ httpVersion, rawHeaders }: IncomingMessage): void {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (/^host$/i.test(rawHeaders[i] as string)) hosts++;
  if (hosts > 1) throw new Problem('bad_request', 'The request has more than one Host header');
  if (hosts === 0 && httpVersion === '1.1')
    throw new Problem('bad_request', 'The request has no Host header');
}

/** RFC 9112 section 6.1: a coding inside of chunks, which Node does not undo, must not be stored as if it were the value. */
function requireKnownCoding({ headers }: IncomingMessage): void {
  if (/,\s*chunked$/i.test(headers['transfer-encoding'] ?? ''))
    throw new Problem('bad_request', 'The only transfer coding that is taken is chunked', CLOSE);
}

/**
 * Node starts the requests that a client sends without waiting for answers all at once; a read after a write has to
 * see it (RFC 9112 section 9.3.2).
 */
function takeTurns(fastify: FastifyInstance): void {
  const latest = new WeakMap<Socket, ServerResponse>();
  fastify.addHook('onRequest', ({ raw: { socket } }, reply, done) => {
    const before = latest.get(socket);
    latest.set(socket, reply.raw);
    if (!before || before.closed) return done();
    before.once('close', () => done());
  });
}
