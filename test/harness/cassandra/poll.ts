import { setTimeout as sleep } from 'node:timers/promises';

/** A cluster of six boots in 25 s on a quiet machine of two cores, and in two minutes on a busy one. */
export const BOOT_TIMEOUT_MS = 300_000;

/**
 * Tries until an attempt succeeds, that is, does not throw; after the time limit the last failure is thrown, which
 * tells what was still missing.
 */
export async function eventually<T>(attempt: () => Promise<T>, timeoutMs = BOOT_TIMEOUT_MS): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof Hopeless || Date.now() > end) throw error;
    }
    await sleep(50);
  }
}

/** A failure that no further attempt can mend: the process has ended, say. */
export class Hopeless extends Error {}
