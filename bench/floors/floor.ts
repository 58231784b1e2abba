import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a floor keeps values in. */
export interface FloorStore {
  get(key: string): Promise<Buffer | undefined>;
  set(key: string, value: Buffer): Promise<void>;
}

const PREFIX = '/sessions/v1/';

/** Node's own HTTP and a store, and nothing between them: what is left when the service is taken away. */
export function serveFloor(store: FloorStore): void {
  const server = createServer((request, response) => {
    void answer(store, request, response).catch(() => response.writeHead(500).end());
  });
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    console.log(JSON.stringify({ msg: 'listening', origin: `http://127.0.0.1:${port}` }));
  });
}

async function answer(store: FloorStore, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const key = decodeURIComponent((request.url as string).slice(PREFIX.length));
  if (request.method === 'POST') {
    await store.set(key, await body(request));
    response.writeHead(201, { 'content-length': 0 }).end();
    return;
  }
  const value = await store.get(key);
  if (!value) response.writeHead(404, { 'content-length': 0 }).end();
  else response.writeHead(200, { 'content-length': value.length }).end(value);
}

function body(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    request.on('error', reject);
  });
}
