import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { fail, type Finding, ok } from '../finding.js';

export interface Lookup {
  host: string;
  addresses: string[];
  finding: Finding;
}

/** As the driver looks names up: by the resolver of this machine. */
export async function lookUp(host: string): Promise<Lookup> {
  const what = `dns ${host}`;
  if (isIP(host)) return { host, addresses: [host], finding: ok(what, 'is an address') };
  const began = performance.now();
  try {
    const addresses = (await lookup(host, { all: true })).map(({ address }) => address);
    const ms = (performance.now() - began).toFixed(1);
    return { host, addresses, finding: ok(what, `${addresses.join(', ')} in ${ms} ms`) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const finding = fail(what, `no address (${code})`, 'mend cassandra.hosts, or the DNS of this machine');
    return { host, addresses: [], finding };
  }
}
