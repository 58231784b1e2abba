import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { LOAD_GENERATOR } from './go-programs.js';
import type { RunningPeer } from './peers/peer.js';

/** One kind of traffic; the fields are those of `class` in bench/load/plan.go. */
export interface Traffic {
  name: string;
  connections: number;
  /** Requests a second; 0 or nothing is as fast as answers come. */
  rate?: number;
  /** A new connection for each request. */
  fresh?: boolean;
  keys: number;
  bytes: number;
  /** Shares of writes by POST, by PUT, and of deletes; the rest are reads. */
  post?: number;
  put?: number;
  delete?: number;
  /** The share of reads that ask for what is not there. */
  misses?: number;
}

export interface TrafficReport {
  name: string;
  requests: number;
  errors: Record<string, number>;
  perSecond: number;
  p50Ms: number;
  p90Ms: number;
  p99Ms: number;
  maxMs: number;
  /** How late the generator itself was. */
  pacingP99Ms: number;
}

export interface LoadReport {
  seconds: number;
  /** Of each process that was to be counted. */
  cpuSeconds: number[];
  classes: TrafficReport[];
}

export async function applyLoad(
  peer: RunningPeer,
  classes: Traffic[],
  warmupSeconds: number,
  seconds: number,
): Promise<LoadReport> {
  return JSON.parse(await generate(peer, { classes, warmupSeconds, seconds, pids: peer.pids })) as LoadReport;
}

/** Writes each key once. */
export async function preload(peer: RunningPeer, classes: Traffic[]): Promise<void> {
  await generate(peer, { classes, preload: true });
}

async function generate(peer: RunningPeer, plan: Record<string, unknown>): Promise<string> {
  const { address, dialect, baseUri, tls } = peer;
  const child = spawn(LOAD_GENERATOR, { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(JSON.stringify({ address, dialect, baseUri, tls, ...plan }));
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  if (code !== 0) throw new Error(`load on ${peer.name} failed: ${stderr.trim() || `exit ${code}`}`);
  return stdout;
}
