import type { CassandraSettings } from '../../../config/settings.js';
import type { RequestTrace } from '../../../tracing/request-trace.js';
import type { Span } from '../../../tracing/span.js';
import { StorageError } from '../storage-error.js';
import type { ConditionalName, StatementName } from './statements.js';

/** Of each statement its CQL verb and its consistency level; see statements.ts. */
const STATEMENTS: Record<
  StatementName | ConditionalName,
  readonly [verb: string, level: string, serialLevel?: string]
> = {
  get: ['SELECT', 'local_quorum'],
  getWritten: ['SELECT', 'local_quorum'],
  set: ['INSERT', 'local_quorum'],
  delete: ['DELETE', 'each_quorum'],
  deleteLocally: ['DELETE', 'local_quorum'],
  deleteAtOne: ['DELETE', 'one'],
  getSerial: ['SELECT', 'serial'],
  swap: ['UPDATE', 'each_quorum', 'serial'],
  replace: ['UPDATE', 'each_quorum', 'serial'],
  deleteSeen: ['DELETE', 'each_quorum', 'serial'],
  deletePresent: ['DELETE', 'each_quorum', 'serial'],
};

/**
 * What a trace tells of one statement, whichever nodes were asked for it. Names are those of OpenTelemetry's conventions for
 * Cassandra (https://opentelemetry.io/docs/specs/semconv/database/cassandra/), and `kask.` where it has none.
 */
export class StatementTrace {
  private readonly span: Span;
  private attempts = 1;
  private hedges = 0;
  /** Of the node that answered. */
  private address: string | undefined;

  constructor(
    private readonly request: RequestTrace,
    private readonly statement: StatementName | ConditionalName,
    private readonly settings: CassandraSettings,
  ) {
    const [verb] = STATEMENTS[statement];
    this.span = request.beginClient(`${verb} ${settings.keyspace}.${settings.table}`);
  }

  /** Another node is asked as well, as the first is silent. */
  hedged(address: string): void {
    this.attempts++;
    this.hedges++;
    this.span.addEvent('hedge', placeOf(address));
  }

  /** Another node is asked instead, as one has refused or was put aside. */
  triedNext(address: string): void {
    this.attempts++;
    this.span.addEvent('next try', placeOf(address));
  }

  /** @param attempts how many nodes were asked, if it was not told before */
  answered(address: string, attempts = this.attempts): void {
    this.attempts = attempts;
    this.address = address;
  }

  ended(error?: unknown): void {
    const { span, settings, address } = this;
    const [verb, level, serialLevel] = STATEMENTS[this.statement];
    const place = address === undefined ? undefined : placeOf(address);
    if (error !== undefined) span.error = error instanceof StorageError ? error.kind : 'error';
    span.attributes = {
      'db.system.name': 'cassandra',
      'db.operation.name': verb,
      'db.namespace': settings.keyspace,
      'db.collection.name': settings.table,
      'cassandra.consistency.level': level,
      'kask.serial_consistency_level': serialLevel,
      'cassandra.speculative_execution.count': this.hedges,
      'kask.attempts': this.attempts,
      'server.address': place?.['server.address'],
      'server.port': place?.['server.port'],
      'error.type': span.error,
    };
    this.request.endClient(span);
  }
}

/** Of `address:port`, as the driver names nodes. */
function placeOf(address: string): { 'server.address': string; 'server.port': number } {
  const end = address.lastIndexOf(':');
  const host = address.slice(0, end).replace(/^\[|\]$/g, '');
  return { 'server.address': host, 'server.port': Number(address.slice(end + 1)) };
}
