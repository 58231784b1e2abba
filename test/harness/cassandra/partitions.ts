import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { commandExists, MissingPrerequisite } from '../prerequisites.js';
import { STORAGE_PORT } from './loopback.js';
import type { CassandraNode } from './node.js';

const run = promisify(execFile);

/**
 * Cuts nodes from each other without a word, as a broken switch does it; clients reach them all. On loopback every node
 * sends from 127.0.0.1, so iptables knows the sender by the group that its process runs under. The connections between
 * nodes go one way each: dropping what is sent to port 7000 both ways is a whole partition, of those that are open too.
 */
export class Partitions {
  constructor(private readonly chain: string) {}

  /** What removes all traces, for a shell: it has to work also when we cannot. */
  get removal(): string {
    const { chain } = this;
    return [`-D OUTPUT -j ${chain}`, `-F ${chain}`, `-X ${chain}`]
      .map((each) => `iptables -w ${each}`)
      .join(';');
  }

  async open(): Promise<void> {
    requireIptables();
    await iptables('-N', this.chain);
    await iptables('-I', 'OUTPUT', '-j', this.chain);
  }

  async cut(some: readonly CassandraNode[], others: readonly CassandraNode[]): Promise<void> {
    for (const node of some) await this.drop(node, others);
    for (const node of others) await this.drop(node, some);
  }

  async heal(): Promise<void> {
    await iptables('-F', this.chain);
  }

  private async drop(from: CassandraNode, to: readonly CassandraNode[]): Promise<void> {
    const sender = ['-m', 'owner', '--gid-owner', String(from.group)];
    const receivers = [
      '-p',
      'tcp',
      '--dport',
      String(STORAGE_PORT),
      '-d',
      to.map((node) => node.address).join(),
    ];
    await iptables('-A', this.chain, ...sender, ...receivers, '-j', 'DROP');
  }
}

/** A group id that no other node on this machine has: the number that the address is. */
export function groupOf(address: string): number {
  return address.split('.').reduce((number, octet) => number * 256 + Number(octet), 0);
}

function requireIptables(): void {
  if (!['iptables', 'setpriv'].every(commandExists) || process.getuid?.() !== 0)
    throw new MissingPrerequisite(
      'Partitions between nodes need root, setpriv and iptables: apt-get install util-linux iptables',
    );
}

async function iptables(...rule: string[]): Promise<void> {
  await run('iptables', ['-w', ...rule]).catch((error: Error) => {
    throw new MissingPrerequisite(
      `Partitions between nodes need iptables with the match "owner": ${error.message}`,
    );
  });
}
