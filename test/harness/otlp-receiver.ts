import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from './cassandra/poll.js';

interface KeyValue {
  key: string;
  value: { stringValue?: string; intValue?: string };
}

interface EncodedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  traceState?: string;
  flags: number;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: KeyValue[];
  events: { timeUnixNano: string; name: string; attributes: KeyValue[] }[];
  status: { code?: number; message?: string };
}

interface ExportRequest {
  resourceSpans: {
    resource: { attributes: KeyValue[] };
    scopeSpans: { scope: { name: string; version: string }; spans: EncodedSpan[] }[];
  }[];
}

export type Attributes = Record<string, string | number>;

export interface ReceivedSpan extends Omit<EncodedSpan, 'attributes' | 'events'> {
  attributes: Attributes;
  events: { name: string; attributes: Attributes }[];
  resource: Attributes;
}

/**
 * Stands in for a collector, which takes minutes to build: it takes OTLP over HTTP as JSON, and knows as much of it as we
 * send.
 */
export class OtlpReceiver {
  readonly bodies: string[] = [];
  readonly spans: ReceivedSpan[] = [];
  /** What is answered; undefined for no answer at all. */
  status: number | undefined = 200;

  private constructor(private readonly server: Server) {
    server.on('request', (request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        if (this.status === undefined) return;
        if (this.status === 200) this.take(body);
        response.writeHead(this.status, { 'content-type': 'application/json' }).end('{}');
      });
      expect([request.method, request.url]).toEqual(['POST', '/v1/traces']);
      expect(request.headers['content-type']).toBe('application/json');
    });
  }

  static async start(port = 0): Promise<OtlpReceiver> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return new OtlpReceiver(server);
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The spans of one trace, once there are so many, in the order in which they began. */
  async trace(traceId: string, count: number): Promise<ReceivedSpan[]> {
    return eventually(() => {
      const found = this.spans.filter((span) => span.traceId === traceId);
      if (found.length < count) return Promise.reject(new Error(`only ${found.length} spans of ${traceId}`));
      return Promise.resolve(
        found.sort((a, b) => Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano))),
      );
    }, 20_000);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private take(body: string): void {
    this.bodies.push(body);
    const { resourceSpans } = JSON.parse(body) as ExportRequest;
    for (const { resource, scopeSpans } of resourceSpans)
      for (const span of scopeSpans.flatMap(({ spans }) => spans))
        this.spans.push({
          ...span,
          attributes: decoded(span.attributes),
          events: span.events.map(({ name, attributes }) => ({ name, attributes: decoded(attributes) })),
          resource: decoded(resource.attributes),
        });
  }
}

function decoded(attributes: KeyValue[]): Attributes {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
  );
}
