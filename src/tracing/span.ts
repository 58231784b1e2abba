import { randomFillSync } from 'node:crypto';

/** Numbers of opentelemetry.proto.trace.v1.Span.SpanKind. */
export const SPAN_KIND = { server: 2, client: 3 } as const;

/** No session key may be in them. */
export type Attributes = Record<string, string | number | undefined>;

export interface SpanEvent {
  name: string;
  /** Of `performance.now()`, in ms. */
  at: number;
  attributes: Attributes;
}

/** Where a span belongs: made once for all spans of a request. */
export interface SpanTrace {
  traceId: string;
  state: string | undefined;
  /** What to add to `performance.now()` for the time of the clock, in ms. */
  epochMs: number;
}

/** A piece of work that is traced. Times are those of `performance.now()`, in ms. */
export class Span {
  readonly events: SpanEvent[] = [];
  /** One literal: put together of parts, or key by key, they take several times as long. */
  attributes: Attributes = {};
  endedAt = NaN;
  /** What went wrong, if it did. */
  error: string | undefined;

  constructor(
    readonly trace: SpanTrace,
    readonly id: string,
    readonly parentId: string | undefined,
    readonly isParentRemote: boolean,
    readonly kind: number,
    readonly name: string,
    readonly startedAt: number,
  ) {}

  addEvent(name: string, attributes: Attributes): void {
    this.events.push({ name, at: performance.now(), attributes });
  }
}

/** Each call of the generator costs several µs, whatever it gives. */
const random = Buffer.alloc(4_096);
let used = random.length;

export function randomHex(bytes: number): string {
  if (used + bytes > random.length) {
    randomFillSync(random);
    used = 0;
  }
  return random.toString('hex', used, (used += bytes));
}
