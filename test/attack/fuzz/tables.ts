import { table } from '../../../bench/report/table.js';
import { quantile } from '../latency.js';
import type { Shape, State } from '../target.js';
import type { SteadyClient } from './steady-client.js';

export function steadyTable(clients: SteadyClient[]): string {
  const rows = clients.map(({ target, latencies, failures }) => [
    `beside it, ${target.shape}`,
    String(latencies.length),
    String(failures.length),
    ...[0.5, 0.99, 1].map((share) => quantile(latencies, share).toFixed(1)),
  ]);
  return table(['Who behaves well', 'Requests', 'Failed', 'p50 ms', 'p99 ms', 'max ms'], rows);
}

export function stateTable(before: Map<Shape, State>, after: Map<Shape, State>): string {
  const rows = [...before].map(([shape, was]) => {
    const is = after.get(shape) as State;
    const told = (field: keyof State): string => `${was[field]} -> ${is[field]}`;
    return [shape, told('residentMib'), told('heapMib'), told('sockets'), told('requestsInFlight')];
  });
  return table(['Before and after', 'resident MiB', 'heap MiB', 'sockets', 'in flight'], rows);
}
