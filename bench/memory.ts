import { setTimeout as sleep } from 'node:timers/promises';
import { applyLoad, type Traffic } from './load-generator.js';
import type { Peer, RunningPeer } from './peers/peer.js';
import { Preloads } from './preloads.js';
import { peakMib, residentMib, resetPeak } from './process-memory.js';
import type { MemoryResult } from './results.js';
import { SESSIONS } from './scenarios.js';

const SETTLES_MS = 1_000;
const NO_WARMUP = 0;

const BUSY: Traffic = { name: 'busy', connections: 32, ...SESSIONS };
const MANY_CONNECTIONS: Traffic = { name: 'connections', connections: 1000, rate: 300, ...SESSIONS };

/** Each peer in a process of its own, which nothing before has made larger. */
export async function measureMemory(peers: Peer[], rounds: number, seconds: number): Promise<MemoryResult[]> {
  const results = peers.map(({ name }) => ({
    name,
    restMib: [],
    restCpuMs: [],
    busyMib: [],
    connectionsMib: [],
  }));
  for (let round = 0; round < rounds; round++)
    for (const [i, peer] of peers.entries()) await measureOne(peer, seconds, results[i] as MemoryResult);
  return results;
}

async function measureOne(peer: Peer, seconds: number, result: MemoryResult): Promise<void> {
  const running = await peer.start();
  try {
    await sleep(SETTLES_MS);
    result.restMib.push(residentMib(running.pids));
    result.restCpuMs.push(await cpuAtRest(running, seconds));
    await new Preloads().ensure({ ...peer, running }, [BUSY]);
    result.busyMib.push(await peakUnder(running, BUSY, seconds));
    result.connectionsMib.push(await peakUnder(running, MANY_CONNECTIONS, seconds));
  } finally {
    await running.stop();
  }
}

/** What timers, probes and the like take of each second without any request, in ms. */
async function cpuAtRest(running: RunningPeer, seconds: number): Promise<number> {
  const { cpuSeconds } = await applyLoad(running, [], NO_WARMUP, seconds);
  return (1000 * cpuSeconds.reduce((sum, each) => sum + each, 0)) / seconds;
}

async function peakUnder(running: RunningPeer, traffic: Traffic, seconds: number): Promise<number> {
  resetPeak(running.pids);
  await applyLoad(running, [traffic], NO_WARMUP, seconds);
  return peakMib(running.pids);
}
