import { Random } from '../../endurance/random.js';
import type { Shape } from '../target.js';
import { clientHello } from './client-hello.js';
import { http2 } from './frames.js';
import {
  chunks,
  cut,
  doubled,
  flipped,
  garbage,
  headers,
  inOrder,
  methods,
  pipelined,
  targets,
  valid,
} from './requests.js';

/** After the bytes: an end of our side, a reset, or nothing until something was answered. */
export type Ending = 'finish' | 'reset' | 'wait';

/** What runs on the connection below the bytes. */
export type Layer = 'tcp' | 'tls' | 'h2';

/** One connection of the fuzzer, the same for the same seed and number. */
export interface Attempt {
  number: number;
  kind: string;
  shape: Shape;
  layer: Layer;
  /** Written one after the other. */
  pieces: Buffer[];
  ending: Ending;
  /** With which the answers have to begin, where that is known. */
  statuses?: number[];
}

/** Besides correct ones, which are there to be disturbed. */
const REQUESTS: Record<string, (random: Random) => Buffer> = {
  flipped,
  cut,
  doubled,
  headers,
  targets,
  methods,
  chunks,
  pipelined,
  garbage,
  'TLS hello': clientHello,
};
const VALID = 0.4;
/** Of these, with whom the client stays to hear the answer. */
const PATIENT = 0.8;
const IN_ORDER = 0.03;

export function attemptOf(seed: number, number: number): Attempt {
  const random = new Random(Math.imul(seed, 0x9e3779b1) + number);
  const way = wayOf(random);
  const ending = random.oneOf<Ending>(['wait', 'wait', 'finish', 'reset']);
  if (way.layer === 'h2')
    return { number, kind: 'HTTP/2', ...way, ending, pieces: inPieces(random, http2(random)) };
  if (random.chance(IN_ORDER) && hasRequests(way)) {
    const { bytes, statuses } = inOrder(random);
    return { number, kind: 'in order', ...way, pieces: [bytes], ending: 'finish', statuses };
  }
  const kind = random.chance(VALID) && hasRequests(way) ? 'valid' : random.oneOf(Object.keys(REQUESTS));
  const bytes = (REQUESTS[kind] ?? valid)(random);
  if (kind === 'valid' && random.chance(PATIENT))
    return { number, kind, ...way, pieces: [bytes], ending: 'wait' };
  return { number, kind, ...way, ending, pieces: inPieces(random, bytes) };
}

/** A handshake costs as much as many requests, and most of it is OpenSSL's. */
function wayOf(random: Random): Pick<Attempt, 'shape' | 'layer'> {
  const draw = random.next();
  if (draw < 0.55) return { shape: 'clear', layer: 'tcp' };
  if (draw < 0.8) return { shape: 'forwarded', layer: 'tcp' };
  if (draw < 0.86) return { shape: 'tls', layer: 'tcp' };
  return { shape: 'tls', layer: draw < 0.94 ? 'tls' : 'h2' };
}

/** On a TCP connection to the port of TLS no request is understood. */
function hasRequests({ shape, layer }: Pick<Attempt, 'shape' | 'layer'>): boolean {
  return shape !== 'tls' || layer === 'tls';
}

function inPieces(random: Random, bytes: Buffer): Buffer[] {
  if (random.chance(0.8)) return [bytes];
  const at = random.between(0, bytes.length);
  return [bytes.subarray(0, at), bytes.subarray(at)];
}
