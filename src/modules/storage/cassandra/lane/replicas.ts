import type { Client } from 'cassandra-driver';
import { compareTokens, tokenOf, type Token } from './murmur3.js';

type Metadata = Pick<Client['metadata'], 'getTokenRanges' | 'getReplicas' | 'keyspaces'>;

const NONE: readonly string[] = [];

/**
 * Which nodes hold a key: the driver's map of tokens to nodes, in a form that is quick to search. The driver makes new
 * objects when topology or replication changes, and so do we then.
 */
export class Replicas {
  /** Ends of ranges in ascending order, and the addresses of the nodes that hold each range. */
  private ends: Token[] = [];
  private addresses: (readonly string[])[] = [];
  private ranges: unknown;
  private replication: unknown;

  constructor(
    private readonly metadata: () => Metadata,
    private readonly keyspace: string,
  ) {}

  /** In every datacenter, the first of them the one that the partitioner puts the key on; empty while unknown. */
  of(key: Buffer): readonly string[] {
    this.follow(this.metadata());
    if (this.ends.length === 0) return NONE;
    const range = this.firstEndFrom(tokenOf(key));
    // Past the last end the ring begins again.
    return this.addresses[range === this.ends.length ? 0 : range] as readonly string[];
  }

  private follow(metadata: Metadata): void {
    const ranges = metadata.getTokenRanges();
    const replication = metadata.keyspaces[this.keyspace];
    if (ranges === this.ranges && replication === this.replication) return;
    this.ranges = ranges;
    this.replication = replication;
    const rows = [...(replication ? ranges : [])].map((range) => ({
      end: parseToken(String(range.end.getValue())),
      addresses: (metadata.getReplicas(this.keyspace, range) ?? []).map((host) => host.address),
    }));
    rows.sort((a, b) => compareTokens(a.end, b.end));
    this.ends = rows.map(({ end }) => end);
    this.addresses = rows.map(({ addresses }) => addresses);
  }

  private firstEndFrom(token: Token): number {
    let from = 0;
    let to = this.ends.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (compareTokens(this.ends[middle] as Token, token) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

function parseToken(text: string): Token {
  const value = BigInt(text);
  return { high: Number(BigInt.asIntN(32, value >> 32n)), low: Number(BigInt.asUintN(32, value)) };
}
