import { createServer as createHttpServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { ServerTls } from './server-tls.js';

/** A client has this long to send a request whole, in ms: slow senders must not hold connections for ever. */
const REQUEST_TIMEOUT_MS = 60_000;

const OPTIONS: ServerOptions = {
  requestTimeout: REQUEST_TIMEOUT_MS,
  // Node would refuse a request without Host by itself, with no problem document and past the metrics: see protocol.ts.
  requireHostHeader: false,
  // Node would set a timer after each answer; HttpConnections looks after idle connections now and then.
  keepAliveTimeout: 0,
};

export function createServer(tls: ServerTls | undefined): Server {
  const server = tls ? createHttpsServer({ ...OPTIONS, ...tls.options }) : createHttpServer(OPTIONS);
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
