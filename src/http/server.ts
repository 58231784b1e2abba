import { createServer as createHttpServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { ServerTls } from './server-tls.js';

/**
 * How long a client has for each step, in ms: slow senders must not hold connections for ever. A request counts from its
 * first byte, and from the opening of the connection if it is the first. MediaWiki waits 3 s for an answer.
 */
const HANDSHAKE_MS = 10_000;
const HEAD_MS = 10_000;
const REQUEST_MS = 30_000;
/** How often Node looks for those who have taken longer, in ms; seldom would be many at once, and all others wait meanwhile. */
const LOOK_FOR_SLOW_EVERY_MS = 500;

const OPTIONS: ServerOptions = {
  headersTimeout: HEAD_MS,
  requestTimeout: REQUEST_MS,
  connectionsCheckingInterval: LOOK_FOR_SLOW_EVERY_MS,
  // Node would refuse a request without Host by itself, with no problem document and past the metrics: see protocol.ts.
  requireHostHeader: false,
  // Node would set a timer after each answer; HttpConnections looks after idle connections now and then.
  keepAliveTimeout: 0,
};

export function createServer(tls: ServerTls | undefined): Server {
  const server = tls
    ? createHttpsServer({ ...OPTIONS, handshakeTimeout: HANDSHAKE_MS, ...tls.options })
    : createHttpServer(OPTIONS);
  // Node would show us the first 1,000 header fields, and hide a second Host behind them: 16 KiB of them are limit enough.
  server.maxHeadersCount = 0;
  answerEveryExpectation(server);
  return server;
}

/**
 * Node would say 100 before we have looked at the request, and answer an expectation that it does not know with a bare
 * 417; a server may also ignore it (RFC 9110 section 10.1.1).
 */
function answerEveryExpectation(server: Server): void {
  for (const event of ['checkContinue', 'checkExpectation'])
    server.on(event, (request, response) => server.emit('request', request, response));
}
