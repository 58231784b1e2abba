import type { IncomingMessage, ServerResponse } from 'node:http';
import { Problem } from '../problems/problem.js';

const CLOSE = { connection: 'close' };

/** What a Host may consist of (RFC 9110 section 4.2.3): a name, an address or an address in brackets, and a port. */
const HOST = /^[\w.~!$&'()*+,;=%:[\]-]*$/;

/**
 * What HTTP asks of a server and Node leaves to us; throws the Problem that a request has. Whatever a proxy before us could
 * read in another way ends the connection, so that nothing behind it is taken for a request.
 */
export function keepToProtocol(request: IncomingMessage, response: ServerResponse): void {
  requireVersion(request);
  requireHost(request);
  refuseFragment(request);
  requireKnownCoding(request);
  // Node drops what came in one piece with it, as if it were of the other protocol already.
  if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
}

/** Node takes a line without a version, as of HTTP/0.9, and a 2.0 that is none. */
function requireVersion({ httpVersion }: IncomingMessage): void {
  if (httpVersion !== '1.1' && httpVersion !== '1.0')
    throw new Problem('bad_request', 'The request is neither HTTP/1.1 nor HTTP/1.0', CLOSE);
}

/** RFC 9112 section 3.2: one in HTTP/1.1, and never more. Node shows the first of several. */
function requireHost({ httpVersion, rawHeaders, headers }: IncomingMessage): void {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (isHost(rawHeaders[i] as string)) hosts++;
  if (hosts > 1) throw new Problem('bad_request', 'The request has more than one Host header', CLOSE);
  if (hosts === 0 && httpVersion === '1.1')
    throw new Problem('bad_request', 'The request has no Host header', CLOSE);
  if (hosts === 1 && !HOST.test(headers.host as string))
    throw new Problem('bad_request', 'The Host header names no host', CLOSE);
}

function isHost(name: string): boolean {
  return name.length === 4 && name.toLowerCase() === 'host';
}

/** RFC 9112 section 3.2 knows none in a target: a proxy may cut it off, and ask for another key than its client. */
function refuseFragment({ url }: IncomingMessage): void {
  if (url?.includes('#')) throw new Problem('bad_request', 'The request target has a fragment', CLOSE);
}

/**
 * RFC 9112 section 6.1: a coding inside of chunks, which Node does not undo, must not be stored as if it were the value; an
 * empty list of codings is none, and beside a Content-Length Node takes it; HTTP/1.0 knows no codings.
 */
function requireKnownCoding({ headers, httpVersion }: IncomingMessage): void {
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return;
  if (coding.toLowerCase() !== 'chunked')
    throw new Problem('bad_request', 'The only transfer coding that is taken is chunked', CLOSE);
  if (httpVersion === '1.0') throw new Problem('bad_request', 'HTTP/1.0 has no transfer codings', CLOSE);
}
