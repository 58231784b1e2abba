import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { CQL_PORT } from '../harness/cassandra/loopback.js';

/** As the kernel sees it, whatever the process believes: its connections to Cassandra. */
export function connectionsToCassandra(pid: number): number {
  const own = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => inodeOf(pid, fd)));
  return readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , remote, , , , , , , inode]) => isCassandra(remote) && own.has(inode)).length;
}

export function residentMib(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kib) / 1024);
}

/** A descriptor may be closed while they are listed. */
function inodeOf(pid: number, fd: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
  } catch {
    return undefined;
  }
}

function isCassandra(remote: string | undefined): boolean {
  return remote?.endsWith(`:${CQL_PORT.toString(16).toUpperCase().padStart(4, '0')}`) ?? false;
}
