import { once } from 'node:events';
import { lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';

/** Its mode is 0660: its group may connect too, as the proxy beside us runs as another user. */
export const SOCKET_UMASK = 0o117;

/** Removes a socket that a killed process left behind. What is something else, or is listened to, stays: it throws. */
export async function clearStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new Error('listen_socket: there is something else at this path');
  const socket = connect(path);
  try {
    await once(socket, 'connect');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ECONNREFUSED') throw new Error(`listen_socket cannot be used (${code})`, { cause: error });
    return unlinkSync(path);
  } finally {
    socket.destroy();
  }
  throw new Error('listen_socket: another process listens there');
}
