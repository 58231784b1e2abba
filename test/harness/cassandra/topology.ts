/** How many nodes each datacenter has: `{ eqiad: 3, codfw: 3 }`. */
export type Datacenters = Record<string, number>;

export interface NodePlan {
  /** `eqiad1`, `eqiad2`, `codfw1`. */
  name: string;
  address: string;
  datacenter: string;
  rack: string;
  /** The one place on the ring that the node owns. */
  token: string;
}

const RING_START = -(2n ** 63n);
const RING_SIZE = 2n ** 64n;

/**
 * The nodes under an address base such as `127.0.5`: 127.0.5.11, .12, .13 in the first datacenter, 127.0.5.21 on in
 * the second. Each node is a rack of its own, and the nodes of a datacenter split the ring evenly.
 */
export function planNodes(datacenters: Datacenters, addressBase: string): NodePlan[] {
  return Object.entries(datacenters).flatMap(([datacenter, size], index) =>
    Array.from({ length: size }, (_, i) => ({
      name: `${datacenter}${i + 1}`,
      address: `${addressBase}.${(index + 1) * 10 + i + 1}`,
      datacenter,
      rack: `rack${i + 1}`,
      token: token(i, size, index),
    })),
  );
}

/** Two nodes may not own the same token, not even in two datacenters: each datacenter stands a little further on. */
function token(position: number, size: number, datacenter: number): string {
  return (RING_START + (RING_SIZE / BigInt(size)) * BigInt(position) + BigInt(datacenter * 100)).toString();
}
