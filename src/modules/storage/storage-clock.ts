/** Of a store that many processes write to, each with the time of its own clock. */
export abstract class StorageClock {
  /** Why this process should not write now; `undefined` if its clock will do. */
  abstract readonly fault: string | undefined;
}
