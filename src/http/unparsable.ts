import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { LogBudget } from '../log-budget.js';
import { cutBody } from '../modules/sessions/session-value.js';
import { Problem, PROBLEM_CONTENT_TYPE } from '../problems/problem.js';
import type { ClosedFor } from './connection-counts.js';
import type { HttpConnections } from './http-connections.js';

interface Fault {
  problem: Problem;
  reason: ClosedFor;
}

const NOT_HTTP: Fault = {
  problem: new Problem('bad_request', 'The request could not be read as HTTP'),
  reason: 'not_http',
};

const TOO_SLOW = 'ERR_HTTP_REQUEST_TIMEOUT';

/** By the codes of Node's HTTP parser. */
const FAULTS: Record<string, Fault> = {
  HPE_INVALID_EOF_STATE: {
    problem: new Problem('bad_request', 'The request body ended early'),
    reason: 'not_http',
  },
  HPE_HEADER_OVERFLOW: { problem: new Problem('headers_too_large'), reason: 'headers_too_large' },
  [TOO_SLOW]: { problem: new Problem('request_timeout'), reason: 'slow_request' },
};

/**
 * Answers what Node could not read as HTTP. Within a body there is a request, which is then answered as any other;
 * before that there is none, and the answer is written to the socket.
 */
export function answerUnparsable(
  connections: HttpConnections,
  logger: Logger,
  headers: Readonly<Record<string, string>>,
) {
  const lines = new LogBudget(logger);
  const handshakes = new LogBudget(logger);
  return (error: Error & { code?: string }, socket: Socket): void => {
    const { code = '' } = error;
    const refusal = isOfTls(code) ? code : connections.knows(socket) ? undefined : certificateFault(socket);
    if (refusal !== undefined) {
      // Node has mostly closed it by now.
      connections.counts.count('tls');
      handshakes.write('warn', { msg: 'TLS handshake failed', reason: refusal });
      return void socket.destroy();
    }
    // On a connection that broke, an answer would wait for ever to be written.
    if (!/^(HPE|ERR_HTTP)_/.test(code) || !socket.writable) return void socket.destroy();
    const { problem, reason } = FAULTS[code] ?? NOT_HTTP;
    // It would be taken for the answer to a request that is just being sent.
    if (code === TOO_SLOW && socket.bytesRead === 0) return connections.on(socket).close(reason);
    if (cutBody(socket, problem)) return;
    if (!connections.on(socket).endWith(wholeAnswer(problem, headers))) return;
    connections.counts.count(reason);
    lines.write('warn', { msg: 'request that is no HTTP', status: problem.status, reason: problem.detail });
  };
}

/** Node reports a handshake that failed, or was not finished in time, in the same way. */
function isOfTls(code: string): boolean {
  return code === 'ERR_TLS_HANDSHAKE_TIMEOUT' || code === 'EPROTO' || code.startsWith('ERR_SSL_');
}

/** Of one that was asked for and is no good, Node says no more than that the connection is gone. */
function certificateFault(socket: Socket): string | undefined {
  return 'authorizationError' in socket && typeof socket.authorizationError === 'string'
    ? socket.authorizationError
    : undefined;
}

function wholeAnswer(problem: Problem, headers: Readonly<Record<string, string>>): string {
  const document = problem.document('/');
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `content-type: ${PROBLEM_CONTENT_TYPE}`,
    `content-length: ${Buffer.byteLength(document)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    'connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${document}`;
}
