/** What one slice of one peer showed. */
export interface Figures {
  cpuMicros: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  perSecond: number;
  pacingP99Ms: number;
  requests: number;
  /** By status, or by how else an answer was wrong. */
  errors: Record<string, number>;
}

export interface PeerRounds {
  name: string;
  rounds: Figures[];
}

export interface PointResult {
  label: string;
  peers: PeerRounds[];
}

export interface ScenarioResult {
  name: string;
  title: string;
  points: PointResult[];
  /** Peak of the resident memory during the scenario, in MiB. */
  peakMib: Record<string, number>;
}
