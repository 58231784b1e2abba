import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The open connections of a server, and how many requests each has in flight. A request is one once its head was read,
 * and until its answer is written; Node's own `closeIdleConnections` spares connections that sent nothing yet, or half
 * a head.
 */
export class HttpConnections {
  private readonly open = new Map<string, Socket>();
  private readonly inFlight = new Map<Socket, number>();

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => this.keep(socket));
    // Requests over TLS know this socket, not the one that it took over.
    server.on('secureConnection', (socket: Socket) => this.keep(socket));
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.count(socket, 1);
      response.once('close', () => this.count(socket, -1));
    });
  }

  get requestsInFlight(): number {
    return [...this.inFlight.values()].reduce((sum, requests) => sum + requests, 0);
  }

  closeWithoutRequest(): void {
    for (const socket of this.open.values()) if (!this.inFlight.has(socket)) socket.destroySoon();
  }

  private keep(socket: Socket): void {
    const peer = peerOf(socket);
    this.open.set(peer, socket);
    socket.once('close', () => {
      if (this.open.get(peer) === socket) this.open.delete(peer);
    });
  }

  private count(socket: Socket, change: number): void {
    const requests = (this.inFlight.get(socket) ?? 0) + change;
    if (requests > 0) this.inFlight.set(socket, requests);
    else this.inFlight.delete(socket);
  }
}

/** The same for a connection and for the TLS on it. */
function peerOf({ localAddress, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${remoteAddress} ${remotePort}`;
}
