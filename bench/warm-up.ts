import { applyLoad, type Traffic } from './load-generator.js';
import type { RunningPeer } from './peers/peer.js';
import { SESSIONS } from './scenarios.js';

/** By then the compiler of Node.js has seen the code that matters often enough; on a busy machine that takes longer. */
const REQUESTS = 15_000;
const TRIES = 6;
const NO_WARMUP = 0;

export const WARM_UP: Traffic = { name: 'warm-up', connections: 32, ...SESSIONS };

/** Before its first slice, which would otherwise tell about the compiler. */
export async function warmUp(peer: RunningPeer): Promise<void> {
  for (let requests = 0, tries = 0; requests < REQUESTS && tries < TRIES; tries++) {
    const { classes } = await applyLoad(peer, [WARM_UP], NO_WARMUP, 1);
    requests += classes[0]?.requests ?? 0;
  }
}
