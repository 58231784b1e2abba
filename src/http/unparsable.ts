import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { cutBody } from '../modules/sessions/session-value.js';
import { Problem, PROBLEM_CONTENT_TYPE } from '../problems/problem.js';

const NOT_HTTP = new Problem('bad_request', 'The request could not be read as HTTP');

/** By the codes of Node's HTTP parser. */
const PROBLEMS: Record<string, Problem> = {
  HPE_INVALID_EOF_STATE: new Problem('bad_request', 'The request body ended early'),
  HPE_HEADER_OVERFLOW: new Problem('headers_too_large'),
  ERR_HTTP_REQUEST_TIMEOUT: new Problem('request_timeout'),
};

/**
 * Answers what Node could not read as HTTP. Within a body there is a request, which is then answered as any other;
 * before that there is none, and the answer is written to the socket.
 */
export function answerUnparsable(logger: Logger, headers: Readonly<Record<string, string>>) {
  return (error: Error & { code?: string }, socket: Socket): void => {
    const { code = '' } = error;
    // On a connection that broke, or whose TLS did, an answer would wait for ever to be written.
    if (!/^(HPE|ERR_HTTP)_/.test(code) || !socket.writable) return void socket.destroy();
    const problem = PROBLEMS[code] ?? NOT_HTTP;
    if (cutBody(socket, problem)) return;
    logger.warn({ msg: 'request that is no HTTP', status: problem.status, reason: problem.detail });
    socket.end(wholeAnswer(problem, headers));
  };
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
