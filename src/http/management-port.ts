import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The second port, in clear and without sessions: who may reach it is up to the network. Without it, metrics, health
 * and the OpenAPI document are on the first port.
 */
export class ManagementPort {
  private readonly sockets = new WeakSet<Socket>();

  /** @param server nothing unless `management` is set */
  constructor(readonly server: Server | undefined) {
    server?.on('connection', (socket: Socket) => this.sockets.add(socket));
  }

  took({ socket }: IncomingMessage): boolean {
    return this.sockets.has(socket);
  }

  /** Whether a request that is for no session has come to the wrong port. */
  misses(request: IncomingMessage): boolean {
    return this.server !== undefined && !this.took(request);
  }
}
