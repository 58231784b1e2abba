import type { Attributes, Span, SpanEvent, SpanTrace } from './span.js';

/** Of opentelemetry.proto.trace.v1.Status.StatusCode. */
const STATUS_ERROR = 2;
/** Of SpanFlags: sampled, and that it is told whether the parent is in another process, and that it is. */
const FLAGS = { sampled: 0x01, tellsRemote: 0x100, isRemote: 0x200 };

/**
 * The body of an export in the JSON of OTLP 1 (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): ids in
 * hexadecimal, 64-bit numbers as text.
 */
export function exportRequest(spans: readonly Span[], resource: Attributes, version: string): string {
  const scopeSpans = [{ scope: { name: 'kask', version }, spans: spans.map(encoded) }];
  return JSON.stringify({ resourceSpans: [{ resource: { attributes: pairs(resource) }, scopeSpans }] });
}

function encoded(span: Span): object {
  const { trace, isParentRemote, error } = span;
  return {
    traceId: trace.traceId,
    spanId: span.id,
    parentSpanId: span.parentId,
    traceState: trace.state,
    flags: FLAGS.sampled | FLAGS.tellsRemote | (isParentRemote ? FLAGS.isRemote : 0),
    name: span.name,
    kind: span.kind,
    startTimeUnixNano: nanoseconds(trace, span.startedAt),
    endTimeUnixNano: nanoseconds(trace, span.endedAt),
    attributes: pairs(span.attributes),
    events: span.events.map((event) => encodedEvent(trace, event)),
    status: error === undefined ? {} : { code: STATUS_ERROR, message: error },
  };
}

function encodedEvent(trace: SpanTrace, { name, at, attributes }: SpanEvent): object {
  return { timeUnixNano: nanoseconds(trace, at), name, attributes: pairs(attributes) };
}

function pairs(attributes: Attributes): object[] {
  return Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ({
      key,
      value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
    }));
}

/** To the microsecond, which is what a double holds of such a time. */
function nanoseconds({ epochMs }: SpanTrace, at: number): string {
  return `${Math.round((epochMs + at) * 1_000)}000`;
}
