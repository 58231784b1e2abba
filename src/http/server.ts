import type { EventEmitter } from 'node:events';
import { createServer as createHttpServer, METHODS, type Server, type ServerOptions } from 'node:http';
import {
  constants,
  createServer as createHttp2Server,
  type ServerOptions as Http2ServerOptions,
} from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { ServerTls } from './server-tls.js';

/**
 * How long a client has for each step, in ms: slow senders must not hold connections for ever. A request counts from its
 * first byte, and from the opening of the connection if it is the first. MediaWiki waits 3 s for an answer.
 */
const HANDSHAKE_MS = 10_000;
const HEAD_MS = 10_000;
export const REQUEST_MS = 30_000;
/** How often Node looks for those who have taken longer, in ms; seldom would be many at once, and all others wait meanwhile. */
const LOOK_FOR_SLOW_EVERY_MS = 200;

const OPTIONS: ServerOptions = {
  headersTimeout: HEAD_MS,
  requestTimeout: REQUEST_MS,
  connectionsCheckingInterval: LOOK_FOR_SLOW_EVERY_MS,
  // Node would refuse a request without Host by itself, with no problem document and past the metrics: see protocol.ts.
  requireHostHeader: false,
  // Node would set a timer after each answer; HttpConnections looks after idle connections now and then.
  keepAliveTimeout: 0,
};

const ALPNProtocols = ['h2', 'http/1.1'];

/** Beyond these Node ends the stream or, of a client that goes on, the connection. */
const HTTP2_OPTIONS: Http2ServerOptions = {
  settings: { maxConcurrentStreams: 100, maxHeaderListSize: 16 * 1024 },
  maxSessionInvalidFrames: 50,
  maxSessionRejectedStreams: 50,
};

export function createServer(tls: ServerTls | undefined): Server {
  const server = tls
    ? createHttpsServer({ ...OPTIONS, handshakeTimeout: HANDSHAKE_MS, ...tls.options, ALPNProtocols })
    : createHttpServer(OPTIONS);
  // Node would show us the first 1,000 header fields, and hide a second Host behind them: 16 KiB of them are limit enough.
  server.maxHeadersCount = 0;
  answerEveryExpectation(server, server);
  if (tls) speakHttp2(server);
  return server;
}

/**
 * Beside HTTP/1.1, by the protocol that the handshake agreed on (RFC 9113 section 3.2). Requests come as those of HTTP/1.1 do;
 * `session` tells of a connection and the socket that it runs on. A method that the parser of HTTP/1.1 would not know is
 * none here either: there is no end of them, and each would be the label of a metric.
 */
function speakHttp2(server: Server): void {
  const http2 = createHttp2Server(HTTP2_OPTIONS);
  const [speakHttp1] = server.listeners('secureConnection');
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.destroyed) return;
    if (socket.alpnProtocol !== 'h2') return void speakHttp1?.call(server, socket);
    http2.once('session', (session) => server.emit('session', session, socket));
    http2.emit('connection', socket);
  });
  http2.on('request', (request, response) => {
    // A session that was destroyed may still tell of streams that it had read.
    if (!response.stream.session) return;
    if (METHODS.includes(request.method)) server.emit('request', request, response);
    else response.stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
  });
  answerEveryExpectation(http2, server);
}

/**
 * Node would say 100 before we have looked at the request, and answer an expectation that it does not know with a bare
 * 417; a server may also ignore it (RFC 9110 section 10.1.1).
 */
function answerEveryExpectation(from: EventEmitter, server: Server): void {
  for (const event of ['checkContinue', 'checkExpectation'])
    from.on(event, (request, response) => server.emit('request', request, response));
}
