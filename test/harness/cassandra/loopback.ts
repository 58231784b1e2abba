import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Datacenters, planNodes } from './topology.js';

/** Where clients and where other nodes connect: the same on every node, as nodes differ by address. */
export const CQL_PORT = 9042;
export const STORAGE_PORT = 7000;

const ATTEMPTS = 20;

/**
 * Three octets below which every node finds its ports free. Linux answers on all of 127.0.0.0/8, so that clusters of
 * several test runs live side by side; elsewhere the addresses have to be configured and named by the caller.
 */
export async function freeAddressBase(datacenters: Datacenters): Promise<string> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const base = `127.${randomInt(16, 240)}.${randomInt(1, 255)}`;
    if ((await takenPorts(datacenters, base)).length === 0) return base;
  }
  throw new Error(`no loopback addresses have both ${CQL_PORT} and ${STORAGE_PORT} free`);
}

/** Below the same three octets, and no other node's. */
export function anotherAddress(address: string): string {
  return address.replace(/\d+$/, (octet) => String((Number(octet) + 100) % 250));
}

/** An address that another cluster holds would make the node end with an error that is hard to read. */
export async function requireFreePorts(datacenters: Datacenters, base: string): Promise<void> {
  const taken = await takenPorts(datacenters, base);
  if (taken.length > 0) throw new Error(`in use already: ${taken.join(', ')}`);
}

async function takenPorts(datacenters: Datacenters, base: string): Promise<string[]> {
  const addresses = planNodes(datacenters, base).map((node) => node.address);
  const ports = addresses.flatMap((address) => [CQL_PORT, STORAGE_PORT].map((port) => ({ address, port })));
  const free = await Promise.all(ports.map(({ address, port }) => isFree(address, port)));
  return ports.filter((_, i) => !free[i]).map(({ address, port }) => `${address}:${port}`);
}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer().listen({ host, port });
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
