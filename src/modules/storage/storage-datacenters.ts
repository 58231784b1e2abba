export interface Datacenter {
  name: string;
  /** Whether its nodes coordinate our requests. */
  local: boolean;
  nodes: number;
  up: number;
}

/** Of a store that has its data on nodes elsewhere. */
export abstract class StorageDatacenters {
  /** As this process sees them now; empty while it is not connected. */
  abstract list(): Datacenter[];
}
