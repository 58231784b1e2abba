import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { requireSlowhttptest } from '../../harness/prerequisites.js';
import type { Shape, Target } from '../target.js';

export const CONNECTIONS = 1_000;
const PER_SECOND = 500;
/** A tenth of the largest that is stored: slow readers make the service keep what they don't take. */
const LARGE = Buffer.alloc(800_000, 'large');
const LARGE_PATH = '/sessions/v1/large';
/** As it begins, with more bytes to come. */
const HALF_A_HELLO = Buffer.from('1603010200010001fc0303', 'hex');

/** Who holds many connections for as long as he can, and sends or takes next to nothing on each. */
export interface SlowAttack {
  title: string;
  shape: Shape;
  /** Resolves with what ends it. */
  begin(target: Target): Promise<() => Promise<void>>;
}

export const SLOW_ATTACKS: SlowAttack[] = [
  slowhttptest('slow headers (-H)', LARGE_PATH, ['-H', '-i', '2']),
  slowhttptest('slow bodies (-B)', '/sessions/v1/slow-body', ['-B', '-i', '2', '-s', '8192']),
  slowhttptest('overlapping ranges (-R)', LARGE_PATH, ['-R', '-a', '1', '-b', '3000']),
  slowhttptest('slow reading (-X)', LARGE_PATH, [
    '-X',
    '-w',
    '512',
    '-y',
    '1024',
    '-n',
    '5',
    '-z',
    '32',
    '-k',
    '3',
  ]),
  stalled('connections without a request', 'clear', Buffer.alloc(0)),
  stalled('half a request', 'clear', Buffer.from('GET /sessions/v1/half HTTP/1.1\r\nHost: kask.te')),
  stalled('half a TLS handshake', 'tls', HALF_A_HELLO),
  stalled('no TLS handshake', 'tls', Buffer.alloc(0)),
];

function slowhttptest(title: string, path: string, mode: string[]): SlowAttack {
  return {
    title,
    shape: 'clear',
    begin: async (target) => {
      requireSlowhttptest();
      await target.send('PUT', LARGE_PATH, LARGE);
      const size = ['-c', String(CONNECTIONS), '-r', String(PER_SECOND), '-l', '60', '-p', '3', '-v', '0'];
      const child = spawn('slowhttptest', [...mode, ...size, '-u', target.origin + path], {
        stdio: 'ignore',
      });
      return () => ended(child);
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Each that the service closes is opened again. */
function stalled(title: string, shape: Shape, bytes: Buffer): SlowAttack {
  return {
    title,
    shape,
    begin: (target) => {
      const { hostname: host, port } = new URL(target.origin);
      const sockets = new Set<Socket>();
      let isOver = false;
      const open = (): void => {
        const socket = connect({ host, port: Number(port) });
        sockets.add(socket);
        socket
          .on('error', () => undefined)
          .on('close', () => {
            sockets.delete(socket);
            if (!isOver) setTimeout(open, 1_000).unref();
          });
        if (bytes.length > 0) socket.write(bytes);
      };
      for (let i = 0; i < CONNECTIONS; i++) setTimeout(open, (i * 1_000) / PER_SECOND);
      return Promise.resolve(() => {
        isOver = true;
        for (const socket of sockets) socket.destroy();
        return Promise.resolve();
      });
    },
  };
}
