import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { CassandraSettings } from '../../../config/settings.js';
import { laneOptions } from './cassandra-client-options.js';
import { Channel, ConnectionLost } from './lane/channel.js';
import { shakeHands } from './lane/handshake.js';
import { TimerWheel } from './lane/timer-wheel.js';

const TICK_MS = 10;

/** How a node takes a connection. */
export interface NodeVisit {
  /** In ms, until TCP was connected, and until TLS was. */
  tcpMs: number;
  tlsMs?: number;
  /** Of the node's certificate. */
  names?: string;
  expiresAt?: number;
  /** Of the native protocol, after the password was taken, if there is one. */
  protocol: number;
}

/** As the service connects; rejects with why it can't, in time. */
export async function visitNode(
  settings: CassandraSettings,
  host: string,
  timeoutMs: number,
): Promise<NodeVisit> {
  const { tls, authentication } = laneOptions(settings);
  const { port } = settings;
  const began = performance.now();
  const late = AbortSignal.timeout(timeoutMs);
  const socket = connectTcp({ host, port });
  let secure: TLSSocket | undefined;
  try {
    await once(socket, 'connect', { signal: late });
    const tcpMs = performance.now() - began;
    if (tls) await once((secure = connectTls({ socket, ...tls, host })), 'secureConnect', { signal: late });
    const tlsMs = secure && performance.now() - began - tcpMs;
    const channel = channelOf(secure ?? socket, `${host}:${port}`);
    const protocol = await shakeHands(channel, `${host}:${port}`, authentication, began + timeoutMs);
    const certificate = secure?.getPeerCertificate();
    const expiresAt = certificate && Date.parse(certificate.valid_to);
    return { tcpMs, tlsMs, names: certificate?.subjectaltname, expiresAt, protocol };
  } catch (error) {
    throw late.aborted ? new Error(`no answer within ${timeoutMs} ms`) : causeOf(error);
  } finally {
    (secure ?? socket).on('error', () => undefined).destroy();
  }
}

function channelOf(socket: Socket, address: string): Channel {
  const channel = new Channel(socket, address, new TimerWheel(TICK_MS));
  socket.on('data', (chunk: Buffer) => channel.receive(chunk));
  return channel;
}

/** A connection that broke says no more than that it did. */
function causeOf(error: unknown): unknown {
  return error instanceof ConnectionLost && error.cause ? error.cause : error;
}
