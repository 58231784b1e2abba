import { setTimeout as sleep } from 'node:timers/promises';
import type { KaskProcess } from './kask.js';

/** The value of a metric without labels. */
export async function metric(kask: KaskProcess, name: string): Promise<number> {
  const text = await (await fetch(`${kask.origin}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  if (!line) throw new Error(`no metric ${name}`);
  return Number(line.slice(name.length));
}

/** Resolves once so many session requests wait for their answer. */
export async function untilInFlight(kask: KaskProcess, requests: number): Promise<void> {
  while ((await metric(kask, 'kask_http_requests_in_flight')) !== requests) await sleep(20);
}
