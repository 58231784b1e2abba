import { parseArgs } from 'node:util';
import { startCassandra } from './bench-table.js';
import { Cgroup, type Usage } from './cgroup.js';
import { buildGoPrograms } from './go-programs.js';
import { applyLoad, preload, type Traffic, type TrafficReport } from './load-generator.js';
import { kaskOnCassandra, OUR_BUILD } from './peers/kask.js';
import { fetchNode } from './peers/node-releases.js';
import type { RunningPeer } from './peers/peer.js';
import { peakMib, residentMib, resetPeak } from './process-memory.js';
import { table } from './report/table.js';

// One pod at production's load under the limits of the chart, minute by minute: a run that is long enough to show what
// grows. Requests begin when they are due, however long answers take.

/** Like production's 1,750 reads, 600 writes and 25 deletes a second, with a little more of what costs more. */
const PRODUCTION = { keys: 10_000, bytes: 2_000, post: 0.27, delete: 0.02, misses: 0.03 };
const SLICE_SECONDS = 60;
const NO_WARMUP = 0;
const HEAD = ['minute', 'requests', 'p50, ms', 'p99, ms', 'max, ms', 'errors', 'CPU, millicores'].concat(
  'resident, MiB',
  'of the container at most, MiB',
  'throttled, s',
);

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    rate: { type: 'string', default: '110' },
    'memory-mib': { type: 'string', default: '150' },
    millicores: { type: 'string', default: '150' },
    /** MiB of Node's old space; what the chart sets for these limits. */
    heap: { type: 'string', default: '64' },
    node: { type: 'string', default: '24' },
  },
});
const limits = { memoryMib: Number(values['memory-mib']), millicores: Number(values.millicores) };
const traffic: Traffic = { name: 'pod', connections: 32, rate: Number(values.rate), ...PRODUCTION };

await buildGoPrograms();
const { path: node } = await fetchNode(Number(values.node));
const { cluster, table: sessions } = await startCassandra();
const cgroup = Cgroup.create(limits);
let running: RunningPeer | undefined;
try {
  const under = [...cgroup.under(), 'env', `NODE_OPTIONS=--max-old-space-size=${values.heap}`];
  const began = Date.now();
  running = await kaskOnCassandra('pod', sessions, 'lane', { ...OUR_BUILD, node, under }).start();
  console.log(`\nlistening after ${((Date.now() - began) / 1000).toFixed(1)} s\n`);
  await preload(running, [traffic]);
  resetPeak(running.pids);
  console.log(table(HEAD, await minutes(running)));
  console.log(`\npeak of the process ${peakMib(running.pids).toFixed(0)} MiB, ${told(cgroup.usage())}`);
} finally {
  await running?.stop();
  cgroup.remove();
  await cluster.stop();
}

async function minutes(pod: RunningPeer): Promise<string[][]> {
  const rows: string[][] = [];
  for (let minute = 1; minute <= Number(values.minutes); minute++) {
    const throttledBefore = cgroup.usage().throttledSeconds;
    const { classes, cpuSeconds, seconds } = await applyLoad(pod, [traffic], NO_WARMUP, SLICE_SECONDS);
    const usage = cgroup.usage();
    rows.push([
      String(minute),
      ...figures(classes[0] as TrafficReport),
      ((1000 * (cpuSeconds[0] as number)) / seconds).toFixed(0),
      residentMib(pod.pids).toFixed(0),
      usage.peakMib.toFixed(0),
      (usage.throttledSeconds - throttledBefore).toFixed(1),
    ]);
    process.stderr.write(`${rows.at(-1)?.join(' | ')}\n`);
  }
  return rows;
}

function figures({ requests, p50Ms, p99Ms, maxMs, errors }: TrafficReport): string[] {
  const wrong = Object.entries(errors).map(([what, count]) => `${count} × ${what}`);
  return [String(requests), ...[p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(2)), wrong.join(', ') || '0'];
}

function told({ peakMib: peak, killedForMemory, throttledSeconds }: Usage): string {
  const memory = `of its container ${peak.toFixed(0)} of ${limits.memoryMib} MiB, killed for memory ${killedForMemory} times`;
  return `${memory}; throttled ${throttledSeconds.toFixed(1)} s in all, the start and the first writes among them`;
}
