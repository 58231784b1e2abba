/** Why we closed a connection, or did not take it. */
export const CLOSED_FOR = [
  'idle',
  'full',
  'refused',
  'slow_reader',
  'gone',
  'slow_request',
  'headers_too_large',
  'not_http',
  'tls',
  'pipelined',
] as const;

export type ClosedFor = (typeof CLOSED_FOR)[number];

/** What a peer can cause without a request that would be counted. */
export class ConnectionCounts {
  private readonly closed = new Map<ClosedFor, number>(CLOSED_FOR.map((reason) => [reason, 0]));

  count(reason: ClosedFor): void {
    this.closed.set(reason, this.of(reason) + 1);
  }

  of(reason: ClosedFor): number {
    return this.closed.get(reason) as number;
  }
}
