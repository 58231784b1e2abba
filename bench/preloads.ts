import { preload, type Traffic } from './load-generator.js';
import type { Contestant } from './rounds.js';

/** Larger values are written over few connections, so that what is in flight stays small. */
const LARGE_BYTES = 100_000;

/** Sees to it that keys are there before they are read, and remembers which are: keys belong to the size of a value. */
export class Preloads {
  private readonly written = new Map<string, number>();

  async ensure({ store, running }: Contestant, classes: Traffic[]): Promise<void> {
    for (const traffic of classes) {
      const written = `${store} ${traffic.bytes}`;
      if ((this.written.get(written) ?? 0) >= traffic.keys) continue;
      await preload(running, [quickly(traffic)]);
      this.written.set(written, traffic.keys);
    }
  }
}

/** Over as many connections as answer quickly, however few or many the scenario has. */
function quickly(traffic: Traffic): Traffic {
  return { ...traffic, connections: traffic.bytes > LARGE_BYTES ? 4 : 32 };
}
