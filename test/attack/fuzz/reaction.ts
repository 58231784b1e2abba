import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attempt } from './attempt.js';

/** What the service did with an attempt. */
export interface Reaction {
  /** Of the answers in HTTP/1.1, in their order. */
  statuses: number[];
  end: 'closed by the service' | 'closed by us' | 'no connection';
}

/** For something to come back, in ms; with most garbage nothing does. */
const QUIET_MS = 40;
/** For the service to close what we have closed, in ms. */
const CLOSES_WITHIN_MS = 10_000;
/** For the answer to a correct request, in ms. */
const PATIENCE_MS = 10_000;
const BETWEEN_PIECES_MS = 2;

export async function reactionTo(attempt: Attempt, origin: string, ca?: Buffer): Promise<Reaction> {
  const { layer, ending, pieces } = attempt;
  const socket = open(attempt, origin, ca);
  const received: Buffer[] = [];
  const closed = new Promise<'closed'>((resolve) => socket.once('close', () => resolve('closed')));
  const answered = new Promise<'answered'>((resolve) =>
    socket
      .on('error', () => undefined)
      .on('data', (bytes: Buffer) => {
        received.push(bytes);
        resolve('answered');
      }),
  );
  const connected = once(socket, layer === 'tcp' ? 'connect' : 'secureConnect').catch(() => undefined);
  // Who means to reset sends even while the handshake is under way.
  const isOpen = ending === 'reset' || (await Promise.race([closed, connected])) !== 'closed';
  for (const piece of isOpen ? pieces : []) {
    if (piece !== pieces[0]) await Promise.race([closed, sleep(BETWEEN_PIECES_MS)]);
    if (socket.writable) socket.write(piece);
  }
  if (ending === 'finish') socket.end();
  const ended = await within(
    waitMs(attempt),
    ending === 'finish' ? closed : Promise.race([closed, answered]),
  );
  if (ending === 'reset' && layer === 'tcp') socket.resetAndDestroy();
  else socket.destroy();
  await closed;
  const end = ended === 'closed' ? 'closed by the service' : 'closed by us';
  return { statuses: statusesIn(Buffer.concat(received)), end: isOpen ? end : 'no connection' };
}

function waitMs({ ending, kind }: Attempt): number {
  if (ending === 'finish') return CLOSES_WITHIN_MS;
  if (ending === 'reset') return BETWEEN_PIECES_MS;
  return kind === 'valid' ? PATIENCE_MS : QUIET_MS;
}

/** Each from one of many addresses: what the service does to a peer, it must not do to all of them. */
function open({ number, layer }: Attempt, origin: string, ca?: Buffer): Socket | TLSSocket {
  const { hostname: host, port } = new URL(origin);
  const options = { host, port: Number(port), localAddress: `127.0.0.${2 + (number % 20)}`, noDelay: true };
  if (layer === 'tcp') return connect(options);
  return connectTls({ ...options, ca, ALPNProtocols: [layer === 'h2' ? 'h2' : 'http/1.1'] });
}

async function within<T>(ms: number, outcome: Promise<T>): Promise<T | undefined> {
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined);
  try {
    return await Promise.race([outcome, late]);
  } finally {
    timer.abort();
  }
}

function statusesIn(bytes: Buffer): number[] {
  return [...bytes.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3}) [A-Z]/g)].map(([, status]) =>
    Number(status),
  );
}
