import type { Figures, RunResult } from '../results.js';

/** Two rounds of three peers; go-1 is the better reference in CPU, go in latency. */
export const exampleRun: RunResult = {
  date: '2026-01-31',
  machine: { CPU: 'abacus, 2 cores' },
  notes: ['A note.'],
  scenarios: [
    {
      name: 'rate',
      title: 'At a rate',
      points: [
        {
          label: 'a',
          peers: [
            { name: 'go', rounds: [figures(200, 1), figures(300, 2)] },
            { name: 'go-1', rounds: [figures(100, 4), figures(200, 4)] },
            { name: 'kask-lane', rounds: [figures(50, 2), figures(150, 2, { 500: 3 })] },
          ],
        },
      ],
      peakMib: { go: 20, 'go-1': 19, 'kask-lane': 101.6 },
    },
  ],
  memory: [
    { name: 'go', restMib: [10, 12], restCpuMs: [1, 2], busyMib: [20, 20], connectionsMib: [30, 30] },
    { name: 'kask-lane', restMib: [22, 22], restCpuMs: [3, 3], busyMib: [40, 60], connectionsMib: [60, 60] },
  ],
  starts: [{ name: 'kask-embedded', ms: [500, 700, 600] }],
};

function figures(cpuMicros: number, latencyMs: number, errors: Record<string, number> = {}): Figures {
  const latency = { p50Ms: latencyMs, p99Ms: latencyMs, maxMs: latencyMs };
  return { cpuMicros, ...latency, perSecond: 1000, pacingP99Ms: 0, requests: 1000, errors };
}
