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

/** Paths of PEM files. */
export interface ClientTls {
  ca: string;
  cert?: string;
  key?: string;
}

export interface RunningPeer {
  readonly name: string;
  /** Host and port. */
  readonly address: string;
  /** How the load generator speaks to it. */
  readonly dialect: 'kask' | 'webdis';
  readonly baseUri: string;
  /** What its clients need, where it does not speak in clear; the fields are those of bench/load/tls.go. */
  readonly tls?: ClientTls;
  /** The processes whose CPU time and memory count. */
  readonly pids: number[];
  stop(): Promise<void>;
}

export const BASE_URI = '/sessions/v1/';

/**
 * The settings of the Go reference, beside the best of which all others are measured. By default gocql holds statements
 * back for up to 200 µs so that they go out together, which is good when there are many and bad when there are few.
 */
export const GO_REFERENCES = ['go', 'go-1', 'go-1-direct'] as const;
