import { readFileSync, writeFileSync } from 'node:fs';

const KIB_PER_MIB = 1024;

/** From now on the kernel takes the peak anew. */
export function resetPeak(pids: readonly number[]): void {
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

export function peakMib(pids: readonly number[]): number {
  return sum(pids, 'VmHWM');
}

export function residentMib(pids: readonly number[]): number {
  return sum(pids, 'VmRSS');
}

function sum(pids: readonly number[], field: string): number {
  return pids.reduce((total, pid) => total + kib(pid, field), 0) / KIB_PER_MIB;
}

function kib(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
}
