import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { REPOSITORY } from '../../test/harness/repository.js';
import type { BenchTable } from '../bench-table.js';
import { ownDirectory } from './own-directory.js';
import { BASE_URI, type ClientTls, type Peer, type RunningPeer } from './peer.js';
import { PeerProcess } from './peer-process.js';

/** Which build of the service, and what runs it. */
export interface Build {
  node: string;
  main: string;
  /** A command that the service runs under. */
  under?: string[];
}

export const OUR_BUILD: Build = { node: process.execPath, main: path.join(REPOSITORY, 'dist/main.js') };

export type DataPath = 'lane' | 'driver';

export function kaskOnCassandra(
  name: string,
  table: BenchTable,
  dataPath: DataPath,
  build = OUR_BUILD,
): Peer {
  const cassandra = {
    hosts: table.hosts,
    keyspace: table.keyspace,
    local_dc: table.datacenter,
    data_path: dataPath,
  };
  return { name, store: 'cassandra', kind: 'service', start: () => startKask(name, { cassandra }, build) };
}

const EMBEDDED = { storage: 'embedded', embedded: { path: 'data' } };

/** The store is in the directory of the process, and goes with it. */
export function kaskEmbedded(name: string, build = OUR_BUILD): Peer {
  return { name, store: name, kind: 'other-storage', start: () => startKask(name, EMBEDDED, build) };
}

/** The same, with what decides who may speak to it. */
export function kaskGuarded(name: string, guard: Record<string, unknown>, tls?: ClientTls): Peer {
  const settings = { ...EMBEDDED, ...guard };
  return {
    name,
    store: name,
    kind: 'other-storage',
    start: () => startKask(name, settings, OUR_BUILD, tls),
  };
}

async function startKask(
  name: string,
  settings: Record<string, unknown>,
  build: Build,
  tls?: ClientTls,
): Promise<RunningPeer> {
  const directory = ownDirectory();
  const file = path.join(directory, 'config.yaml');
  writeFileSync(
    file,
    stringify({ base_uri: BASE_URI, listen_address: '127.0.0.1', listen_port: 0, ...settings }),
  );
  const child = await PeerProcess.spawn(
    name,
    [...(build.under ?? []), build.node, ...flagsOf(build), build.main, '--config', file],
    directory,
  );
  const address = await child.listening();
  return {
    name,
    address,
    dialect: 'kask',
    baseUri: BASE_URI,
    tls,
    pids: [child.pid],
    stop: () => child.stop(),
  };
}

/** The flags for Node.js are those that the first line of main.js has, `#!/usr/bin/env -S node --flag`. */
function flagsOf({ main }: Build): string[] {
  const [, flags = ''] = /^#!.*\bnode\b(.*)/.exec(readFileSync(main, 'utf8')) ?? [];
  return flags.split(/\s+/).filter(Boolean);
}
