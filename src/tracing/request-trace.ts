import { randomHex, Span, SPAN_KIND, type SpanTrace } from './span.js';
import type { TraceContext } from './trace-context.js';

/** What became of a request, for its span. */
export interface RequestOutcome {
  method: string;
  /** As the client saw it; 499 if it had left. */
  status: number;
  /** Of HTTP, such as `1.1`. */
  version: string;
  scheme: 'http' | 'https';
  /** The type of the problem that was answered. */
  problem: string | undefined;
  /** The keyed hash of the session key. */
  session: string | undefined;
}

/** What all requests share. */
export interface TracedServer {
  /** Of sessions, such as `/sessions/v1/:key`. */
  route: string;
  address: string;
  port: number | undefined;
}

/** Methods that the conventions know (https://opentelemetry.io/docs/specs/semconv/http/http-spans/). */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);

/** The trace of one request, as far as it is ours: a span for the request, and what is done for it below. */
export class RequestTrace {
  readonly traceId: string;
  private readonly trace: SpanTrace;
  private readonly spanId = randomHex(8);

  /**
   * @param parent what the caller told of its trace
   * @param startedAt of `performance.now()`, in ms
   */
  constructor(
    private readonly parent: TraceContext | undefined,
    private readonly startedAt: number,
    private readonly server: TracedServer,
    private readonly report: (span: Span) => void,
  ) {
    this.traceId = parent?.traceId ?? randomHex(16);
    const epochMs = Date.now() - performance.now();
    this.trace = { traceId: this.traceId, state: parent?.state, epochMs };
  }

  /** Begins what a store does for the request by asking others. */
  beginClient(name: string): Span {
    return new Span(this.trace, randomHex(8), this.spanId, false, SPAN_KIND.client, name, performance.now());
  }

  endClient(span: Span): void {
    span.endedAt = performance.now();
    this.report(span);
  }

  end({ method, status, version, scheme, problem, session }: RequestOutcome): void {
    const isKnown = METHODS.has(method);
    const { route, address, port } = this.server;
    const name = `${isKnown ? method : 'HTTP'} ${route}`;
    const span = new Span(
      this.trace,
      this.spanId,
      this.parent?.spanId,
      this.parent !== undefined,
      SPAN_KIND.server,
      name,
      this.startedAt,
    );
    if (status >= 500) span.error = problem ?? String(status);
    span.attributes = {
      'http.route': route,
      'server.address': address,
      'server.port': port,
      'http.request.method': isKnown ? method : '_OTHER',
      'http.request.method_original': isKnown ? undefined : method,
      'http.response.status_code': status,
      'url.scheme': scheme,
      'network.protocol.version': version,
      'error.type': span.error,
      'kask.session': session,
    };
    span.endedAt = performance.now();
    this.report(span);
  }
}
