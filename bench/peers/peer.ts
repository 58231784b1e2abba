/** A service that is measured, as a process of its own. */
export interface Peer {
  /** Its name in tables and for `--peers`. */
  name: string;
  /** Where its values are: peers that share it are preloaded together. */
  store: string;
  /** Services answer all requests, floors show what a part of the way costs; only some scenarios have these. */
  kind: 'service' | 'floor' | 'other-storage';
  start(): Promise<RunningPeer>;
}

export interface RunningPeer {
  readonly name: string;
  /** Host and port. */
  readonly address: string;
  /** How the load generator speaks to it. */
  readonly dialect: 'kask' | 'webdis';
  readonly baseUri: string;
  /** The processes whose CPU time and memory count. */
  readonly pids: number[];
  stop(): Promise<void>;
}

export const BASE_URI = '/sessions/v1/';

/** Beside which all others are measured: with as many threads as there are cores, and with GOMAXPROCS=1. */
export const GO_DEFAULT = 'go';
export const GO_ONE = 'go-1';
