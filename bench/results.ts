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
  baseline?: string;
  /** Peak of the resident memory during the scenario, in MiB. */
  peakMib: Record<string, number>;
}

/** Of fresh processes, one figure a round: resident memory in MiB, and the CPU time of each second at rest. */
export interface MemoryResult {
  name: string;
  restMib: number[];
  restCpuMs: number[];
  /** Peaks. */
  busyMib: number[];
  connectionsMib: number[];
}

/** From the command to the first answer. */
export interface StartResult {
  name: string;
  ms: number[];
}

export interface RunResult {
  date: string;
  machine: Record<string, string>;
  /** What a reader has to know of this run. */
  notes: string[];
  scenarios: ScenarioResult[];
  memory: MemoryResult[];
  starts: StartResult[];
}
