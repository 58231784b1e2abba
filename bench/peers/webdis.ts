import { writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { commandExists } from '../../test/harness/prerequisites.js';
import { ownDirectory } from './own-directory.js';
import type { Peer, RunningPeer } from './peer.js';
import { PeerProcess } from './peer-process.js';

const NAME = 'webdis';
const LOOPBACK = '127.0.0.1';
/** More than the largest value of any scenario. */
const LARGEST_REQUEST_BYTES = 16 * 1024 * 1024;

export const WEBDIS_MISSING =
  'webdis and redis-server are not installed, so the run goes without them: apt-get install webdis redis-server';

export function webdisExists(): boolean {
  return commandExists('webdis') && commandExists('redis-server');
}

/** Redis over HTTP: where users come from. Redis itself is not counted, as Cassandra is not either. */
export const webdis: Peer = { name: NAME, store: NAME, kind: 'other-storage', start };

async function start(): Promise<RunningPeer> {
  const redisPort = await freePort();
  const redis = await startRedis(redisPort);
  try {
    const port = await freePort();
    const child = await startWebdis(port, redisPort);
    const stop = async () => void (await Promise.all([child.stop(), redis.stop()]));
    const address = `${LOOPBACK}:${port}`;
    return { name: NAME, address, dialect: 'webdis', baseUri: '/', pids: [child.pid], stop };
  } catch (error) {
    await redis.stop();
    throw error;
  }
}

/** Nothing is kept on disk. */
async function startRedis(port: number): Promise<PeerProcess> {
  const settings = { port: String(port), bind: LOOPBACK, save: '', appendonly: 'no' };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const redis = await PeerProcess.spawn('redis-server', ['redis-server', ...args], ownDirectory());
  await redis.answering(() => tryConnecting(port));
  return redis;
}

async function startWebdis(port: number, redisPort: number): Promise<PeerProcess> {
  const directory = ownDirectory();
  const file = path.join(directory, 'webdis.json');
  const settings = {
    redis_host: LOOPBACK,
    redis_port: redisPort,
    http_host: LOOPBACK,
    http_port: port,
    http_max_request_size: LARGEST_REQUEST_BYTES,
    threads: 2,
    pool_size: 20,
    daemonize: false,
    verbosity: 1,
    logfile: path.join(directory, 'webdis.log'),
  };
  writeFileSync(file, JSON.stringify(settings));
  const child = await PeerProcess.spawn(NAME, ['webdis', file], directory);
  await child.answering(() => tryConnecting(port));
  return child;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function tryConnecting(port: number): Promise<void> {
  const socket = connect(port, LOOPBACK);
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
