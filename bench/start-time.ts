import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { Peer } from './peers/peer.js';
import type { StartResult } from './results.js';

/** From the command to the first answer about a session, in ms. */
export async function measureStarts(peers: Peer[], rounds: number): Promise<StartResult[]> {
  const results = peers.map(({ name }) => ({ name, ms: [] as number[] }));
  for (let round = 0; round < rounds; round++)
    for (const [i, peer] of peers.entries()) results[i]?.ms.push(await startOnce(peer));
  return results;
}

async function startOnce(peer: Peer): Promise<number> {
  const began = performance.now();
  const running = await peer.start();
  try {
    const status = await statusOf(`http://${running.address}${running.baseUri}absent`);
    if (status !== 404) throw new Error(`${peer.name} answered ${status} to its first request`);
    return performance.now() - began;
  } finally {
    await running.stop();
  }
}

async function statusOf(url: string): Promise<number | undefined> {
  const [response] = (await once(get(url), 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}
