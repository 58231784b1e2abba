import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const NOTICED_MS = 500;

/** Those of clients to a port; both ends get a reset. */
export async function cutConnections(address: string, port: number): Promise<void> {
  await promisify(execFile)('ss', ['-tK', 'dst', address, 'dport', '=', String(port)]);
}

/** It takes root's rights and a kernel that was built for it, and `ss` says nothing where one is missing. */
export async function canCutConnections(): Promise<boolean> {
  const server = createServer((socket) => socket.on('error', () => undefined));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  const closed = new Promise<true>((resolve) => socket.on('close', () => resolve(true)));
  await cutConnections('127.0.0.1', port).catch(() => undefined);
  const isCut = await Promise.race([closed, sleep(NOTICED_MS, false)]);
  socket.destroy();
  server.close();
  return isCut;
}
