import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { MissingPrerequisite } from '../test/harness/prerequisites.js';

const MOUNT = '/sys/fs/cgroup';
const BYTES_PER_MIB = 1024 ** 2;
const PERIOD_US = 100_000;

export interface Limits {
  memoryMib: number;
  /** Thousandths of a CPU. */
  millicores: number;
}

export interface Usage {
  /** Of all that the kernel counts for a container: what is resident, files in its cache, buffers of sockets. */
  peakMib: number;
  /** How long threads that could run had to wait for the next period. */
  throttledSeconds: number;
  killedForMemory: number;
}

/** Where a limit is written and a use is read: the kernel's two versions of cgroups have other names for the same. */
interface Hierarchy {
  folders: string[];
  limits(limits: Limits): Record<string, string>;
  usage(read: (file: string) => string): Usage;
}

/** What Kubernetes' limits are to a container: the same limits of the same kernel, for a process of ours. */
export class Cgroup {
  private constructor(
    private readonly name: string,
    private readonly hierarchy: Hierarchy,
  ) {}

  static create(limits: Limits): Cgroup {
    const isUnified = existsSync(path.join(MOUNT, 'cgroup.controllers'));
    const cgroup = new Cgroup(`kask-bench-${process.pid}`, isUnified ? UNIFIED : LEGACY);
    try {
      cgroup.make(limits, isUnified);
    } catch (error) {
      throw new MissingPrerequisite(`Limits need root's rights and a writable ${MOUNT}: ${String(error)}`);
    }
    return cgroup;
  }

  /** A command that puts itself under the limits and then becomes the one that follows it. */
  under(): string[] {
    const joins = this.hierarchy.folders.map((folder) => `echo $$ > ${this.place(folder, 'cgroup.procs')}`);
    return ['sh', '-c', `${joins.join(' && ')} && exec "$@"`, 'sh'];
  }

  usage(): Usage {
    return this.hierarchy.usage((file) => readFileSync(path.join(MOUNT, this.inside(file)), 'utf8'));
  }

  /** Once nothing runs in it any more. */
  remove(): void {
    for (const folder of this.hierarchy.folders) rmdirSync(this.place(folder));
  }

  private make(limits: Limits, isUnified: boolean): void {
    if (isUnified) writeFileSync(path.join(MOUNT, 'cgroup.subtree_control'), '+cpu +memory');
    for (const folder of this.hierarchy.folders) mkdirSync(this.place(folder));
    for (const [file, value] of Object.entries(this.hierarchy.limits(limits)))
      writeFileSync(path.join(MOUNT, this.inside(file)), value);
  }

  private place(folder: string, file = ''): string {
    return path.join(MOUNT, folder, this.name, file);
  }

  /** `cpu/cpu.stat` of the hierarchy is `cpu/NAME/cpu.stat` of ours. */
  private inside(file: string): string {
    return path.join(path.dirname(file), this.name, path.basename(file));
  }
}

const UNIFIED: Hierarchy = {
  folders: [''],
  limits: ({ memoryMib, millicores }) => ({
    'memory.max': String(memoryMib * BYTES_PER_MIB),
    'cpu.max': `${quotaUs(millicores)} ${PERIOD_US}`,
  }),
  usage: (read) => ({
    peakMib: Number(read('memory.peak')) / BYTES_PER_MIB,
    throttledSeconds: field(read('cpu.stat'), 'throttled_usec') / 1e6,
    killedForMemory: field(read('memory.events'), 'oom_kill'),
  }),
};

const LEGACY: Hierarchy = {
  folders: ['memory', 'cpu'],
  limits: ({ memoryMib, millicores }) => ({
    'memory/memory.limit_in_bytes': String(memoryMib * BYTES_PER_MIB),
    'cpu/cpu.cfs_period_us': String(PERIOD_US),
    'cpu/cpu.cfs_quota_us': String(quotaUs(millicores)),
  }),
  usage: (read) => ({
    peakMib: Number(read('memory/memory.max_usage_in_bytes')) / BYTES_PER_MIB,
    throttledSeconds: field(read('cpu/cpu.stat'), 'throttled_time') / 1e9,
    killedForMemory: field(read('memory/memory.oom_control'), 'oom_kill'),
  }),
};

function quotaUs(millicores: number): number {
  return (millicores * PERIOD_US) / 1000;
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
}
