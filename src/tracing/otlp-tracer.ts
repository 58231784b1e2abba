import type { IncomingHttpHeaders } from 'node:http';
import { hostname } from 'node:os';
import type { OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from 'pino';
import { buildInfo } from '../build-info.js';
import type { Settings, TracingSettings } from '../config/settings.js';
import { RequestTrace, type TracedServer } from './request-trace.js';
import type { Span } from './span.js';
import { SpanExporter } from './span-exporter.js';
import { traceContextOf } from './trace-context.js';
import { Tracer } from './tracer.js';

/** Of the requests whose callers say nothing of a trace. */
const SAMPLE_RATIO = 0.01;
/** Where collectors listen unless the endpoint has a path of its own. */
const TRACES_PATH = '/v1/traces';

/** Traces what callers trace, and of other requests a share. */
export class OtlpTracer extends Tracer implements OnApplicationShutdown {
  private readonly exporter: SpanExporter;
  private readonly ratio: number;
  private readonly server: TracedServer;
  private readonly report = (span: Span): void => this.exporter.add(span);

  constructor(tracing: TracingSettings, settings: Settings, drop: (spans: number) => void, logger: Logger) {
    super();
    this.ratio = tracing.sample_ratio ?? SAMPLE_RATIO;
    this.server = tracedServer(settings);
    const resource = {
      'service.name': settings.service_name,
      'service.version': buildInfo.version,
      'host.name': hostname(),
      'process.pid': process.pid,
    };
    this.exporter = new SpanExporter(tracesUrl(tracing.endpoint), resource, buildInfo.version, drop, logger);
  }

  begin(headers: IncomingHttpHeaders, startedAt: number): RequestTrace | undefined {
    const parent = traceContextOf(headers);
    const isSampled = parent ? parent.isSampled : Math.random() < this.ratio;
    return isSampled ? new RequestTrace(parent, startedAt, this.server, this.report) : undefined;
  }

  onApplicationShutdown(): Promise<void> {
    return this.exporter.end();
  }
}

function tracedServer({ base_uri, listen_socket, listen_address, listen_port }: Settings): TracedServer {
  const isPortKnown = listen_socket === undefined && listen_port > 0;
  return {
    route: `${base_uri}:key`,
    address: listen_socket ?? listen_address,
    port: isPortKnown ? listen_port : undefined,
  };
}

function tracesUrl(endpoint: string): URL {
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = TRACES_PATH;
  return url;
}
