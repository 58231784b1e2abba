import http from 'node:http';
import https from 'node:https';

/** Past which a request counts as one that never ends, in ms. */
const PATIENCE_MS = 30_000;

export interface Answer {
  /** 0 if there was none. */
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
  ms: number;
  error?: Error;
}

/** Resolves however the request ends. */
export function send(
  method: string,
  url: string,
  agent: http.Agent,
  body?: Buffer,
  patienceMs = PATIENCE_MS,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const began = performance.now();
  const { request: begin } = url.startsWith('https:') ? https : http;
  return new Promise((resolve) => {
    const end = (answer: Partial<Answer>): void =>
      resolve({ status: 0, headers: {}, body: Buffer.alloc(0), ...answer, ms: performance.now() - began });
    const options = { method, agent, headers: { ...lengthOf(body), ...headers } };
    const request = begin(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', (error) => end({ error }));
      response.on('end', () =>
        end({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    const timer = setTimeout(() => request.destroy(new Error('no answer')), patienceMs);
    request.on('error', (error) => end({ error })).on('close', () => clearTimeout(timer));
    request.end(body);
  });
}

function lengthOf(body: Buffer | undefined): Record<string, number> {
  return body ? { 'content-length': body.length } : {};
}
