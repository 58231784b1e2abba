import type { IncomingMessage, ServerResponse } from 'node:http';
import { Problem } from '../problems/problem.js';

/** What a Host may consist of (RFC 9110 section 4.2.3): a name, an address or an address in brackets, and a port. */
const HOST = /^[\w.~!$&'()*+,;=%:[\]-]*$/;

/**
 * What HTTP asks of a server and Node leaves to us; throws the Problem that a request has. Whatever a proxy before us could
 * read in another way ends the connection, so that nothing behind it is taken for a request.
 */
export function keepToProtocol(request: IncomingMessage, response: ServerResponse): void {
  const fault = faultOf(request);
  if (fault !== undefined) {
    response.shouldKeepAlive = false;
    throw new Problem('bad_request', fault);
  }
  // Node drops what came in one piece with it, as if it were of the other protocol already.
  if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
}

function faultOf(request: IncomingMessage): string | undefined {
  return versionFault(request) ?? hostFault(request) ?? fragmentFault(request) ?? codingFault(request);
}

/** Node takes a line without a version, as of HTTP/0.9, and a 2.0 that is none: in HTTP/2 there are streams. */
function versionFault(request: IncomingMessage): string | undefined {
  const { httpVersion } = request;
  const isKnown = httpVersion === '1.1' || httpVersion === '1.0' || 'stream' in request;
  return isKnown ? undefined : 'The request is neither HTTP/1.1 nor HTTP/1.0';
}

/** RFC 9112 section 3.2: one in HTTP/1.1, and never more. Node shows the first of several. In HTTP/2 it repeats :authority. */
function hostFault({ httpVersion, rawHeaders, headers }: IncomingMessage): string | undefined {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (isHost(rawHeaders[i] as string)) hosts++;
  if (hosts > 1) return 'The request has more than one Host header';
  if (hosts === 0) return httpVersion === '1.1' ? 'The request has no Host header' : undefined;
  if (!HOST.test(headers.host as string)) return 'The Host header names no host';
  const authority = headers[':authority'] ?? headers.host;
  return headers.host === authority ? undefined : 'The Host header is not the :authority of the request';
}

function isHost(name: string): boolean {
  return name.length === 4 && name.toLowerCase() === 'host';
}

/** RFC 9112 section 3.2 knows none in a target: a proxy may cut it off, and ask for another key than its client. */
function fragmentFault({ url }: IncomingMessage): string | undefined {
  return url?.includes('#') ? 'The request target has a fragment' : undefined;
}

/**
 * RFC 9112 section 6.1: a coding inside of chunks, which Node does not undo, must not be stored as if it were the value; an
 * empty list of codings is none, and beside a Content-Length Node takes it; HTTP/1.0 knows no codings.
 */
function codingFault({ headers, httpVersion }: IncomingMessage): string | undefined {
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return undefined;
  if (coding.toLowerCase() !== 'chunked') return 'The only transfer coding that is taken is chunked';
  return httpVersion === '1.0' ? 'HTTP/1.0 has no transfer codings' : undefined;
}
