import type { IncomingHttpHeaders } from 'node:http';

/** What a caller says of the trace that a request belongs to. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  traceId: string;
  /** 16 hexadecimal digits. */
  spanId: string;
  isSampled: boolean;
  state: string | undefined;
}

/** Version, trace-id, parent-id and trace-flags (W3C Trace Context section 3.2); later versions may go on behind a dash. */
const TRACEPARENT = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/;
const SAMPLED = 1;
/** What has to be passed on of a tracestate (section 3.3.1.5), in characters. */
const MAX_STATE = 512;

/** Undefined where there is no header, or one that cannot be meant: then a trace begins here. */
export function traceContextOf({ traceparent, tracestate }: IncomingHttpHeaders): TraceContext | undefined {
  if (typeof traceparent !== 'string') return undefined;
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(traceparent) ?? [];
  if (!traceId || !spanId || (version === '00' && more)) return undefined;
  const isSampled = (Number.parseInt(flags as string, 16) & SAMPLED) !== 0;
  return { traceId, spanId, isSampled, state: stateOf(tracestate) };
}

function stateOf(header: string | string[] | undefined): string | undefined {
  const state = header?.toString();
  return state && state.length <= MAX_STATE ? state : undefined;
}
