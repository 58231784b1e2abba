import { once } from 'node:events';
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import { urlToHttpOptions } from 'node:url';
import type { Answer, Question } from './answers.js';
import { KaskUnavailable } from './errors.js';

/** PEM, as node:tls takes it: who is trusted, and the certificate that is shown to the service. */
export type ClientTls = Pick<SecureContextOptions, 'ca' | 'cert' | 'key' | 'passphrase'>;

/** TCP's and TLS's handshakes together. One packet may be lost, which TCP sends again after a second. */
const CONNECT_TIMEOUT_MS = 1200;

/** Connections to one origin, each kept for the requests after it. Node's fetch has no client certificates. */
export class Connections {
  // Private by `#`: a socket has the path of its request, and the key in it, where inspect() would show them.
  readonly #protocol: typeof http | typeof https;
  readonly #options: http.RequestOptions & { agent: http.Agent };

  constructor(url: URL, tls?: ClientTls) {
    const { hostname, port, protocol } = urlToHttpOptions(url);
    this.#protocol = protocol === 'https:' ? https : http;
    const agent = new this.#protocol.Agent({ keepAlive: true, ...tls });
    this.#options = { hostname, port, agent };
  }

  async exchange({ method, path, headers, body, effect }: Question, signal: AbortSignal): Promise<Answer> {
    const request = this.#protocol.request({ ...this.#options, method, path, headers, signal });
    // One that comes after the answer has begun is told by the answer's own end.
    request.on('error', () => undefined);
    const isConnected = watchConnection(request);
    request.end(body);
    try {
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      const chunks = (await response.toArray()) as Buffer[];
      return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
    } catch (error) {
      const isOutcomeUnknown = effect !== 'none' && isConnected();
      throw new KaskUnavailable(`${method} had no answer: ${reason(error, signal)}`, isOutcomeUnknown);
    }
  }

  close(): void {
    this.#options.agent.destroy();
  }
}

/** Whether anything of a request can have reached the service. Ends one that gets no connection in time. */
function watchConnection(request: ClientRequest): () => boolean {
  let isConnected = false;
  request.once('socket', (socket) => {
    if (!socket.connecting) return void (isConnected = true);
    const giveUp = (): unknown =>
      request.destroy(new Error(`no connection was made within ${CONNECT_TIMEOUT_MS} ms`));
    const timer = setTimeout(giveUp, CONNECT_TIMEOUT_MS);
    request.once('close', () => clearTimeout(timer));
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      isConnected = true;
    });
  });
  return () => isConnected;
}

/** In words: one of Node's parser of HTTP holds the bytes that it could not read. */
function reason(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return 'the time for it is over';
  const { message, code } = error as NodeJS.ErrnoException;
  // What tells of several addresses has no message.
  return message || String(code);
}
