import type { IncomingMessage } from 'node:http';
import { Problem } from '../problems/problem.js';

const CLOSE = { connection: 'close' };

/** What HTTP asks of a server and Node leaves to us; throws the Problem that a request has. */
export function keepToProtocol(request: IncomingMessage): void {
  requireHost(request);
  requireKnownCoding(request);
}

/** RFC 9112 section 3.2: one in HTTP/1.1, and never more. Node shows the first of several. In HTTP/2 it repeats :authority. */
function requireHost({ httpVersion, rawHeaders, headers }: IncomingMessage): void {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (isHost(rawHeaders[i] as string)) hosts++;
  if (hosts > 1) throw new Problem('bad_request', 'The request has more than one Host header');
  if (hosts === 0 && httpVersion === '1.1')
    throw new Problem('bad_request', 'The request has no Host header');
  const authority = headers[':authority'];
  if (authority !== undefined && hosts > 0 && headers.host !== authority)
    throw new Problem('bad_request', 'The Host header is not the :authority of the request');
}

function isHost(name: string): boolean {
  return name.length === 4 && name.toLowerCase() === 'host';
}

/** RFC 9112 section 6.1: a coding inside of chunks, which Node does not undo, must not be stored as if it were the value. */
function requireKnownCoding({ headers }: IncomingMessage): void {
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && /,\s*chunked$/i.test(coding))
    throw new Problem('bad_request', 'The only transfer coding that is taken is chunked', CLOSE);
}
