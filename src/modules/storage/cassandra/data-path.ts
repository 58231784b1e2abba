import type { Execution, Row } from './lane/execution.js';

/** How the statements of a session reach the cluster. */
export abstract class DataPath {
  /**
   * Resolves with what a read found. Rejects with a StorageError, or with what is our own fault; `timeoutMs` is for
   * the whole operation, whatever it takes.
   */
  abstract run(execution: Execution, timeoutMs: number): Promise<Row | undefined>;

  /** Open connections and requests in flight, beside those of the driver. */
  abstract readonly connections: number;
  abstract readonly requestsInFlight: number;

  /** Nodes that are asked only where all others were; the driver has no such thing. */
  abstract readonly nodesPutAside: number;

  abstract close(): void;
}
