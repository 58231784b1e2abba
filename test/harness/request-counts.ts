import type { KaskProcess } from './kask.js';

/** How often the service says it answered what, such as `{ 'GET 200': 3 }`. */
export async function requestCounts(kask: KaskProcess): Promise<Record<string, number>> {
  const metrics = await (await fetch(`${kask.management || kask.origin}/metrics`)).text();
  const samples = metrics.matchAll(/^http_requests_total\{(.*)\} ([1-9]\d*)$/gm);
  return sorted([...samples].map(([, labels = '', count]) => [requestOf(labels), Number(count)]));
}

/** The same of a list of such requests. */
export function tally(requests: string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const request of requests) counts.set(request, (counts.get(request) ?? 0) + 1);
  return sorted([...counts]);
}

function requestOf(labels: string): string {
  const value = (name: string) => new RegExp(`\\b${name}="(.*?)"`).exec(labels)?.[1] ?? '';
  return `${value('method').toUpperCase()} ${value('code')}`;
}

function sorted(entries: [string, number][]): Record<string, number> {
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
