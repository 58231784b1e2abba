import { once } from 'node:events';
import { unlinkSync } from 'node:fs';
import { connect } from 'node:net';

/** Its group may connect too: the proxy beside us runs as another user. */
export const SOCKET_MODE = 0o660;

/** Removes a socket that a killed process left behind; one that somebody listens to stays, and it throws. */
export async function clearStaleSocket(path: string): Promise<void> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ECONNREFUSED') unlinkSync(path);
    else if (code !== 'ENOENT') throw new Error(`listen_socket cannot be used (${code})`, { cause: error });
    return;
  } finally {
    socket.destroy();
  }
  throw new Error('listen_socket: another process listens there');
}
