import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { PinoLogger } from 'nestjs-pino';
import type { Permission } from '../../config/settings.js';
import { HttpConnections } from '../../http/http-connections.js';
import { keepToProtocol } from '../../http/protocol.js';
import { LogBudget } from '../../log-budget.js';
import { Problem } from '../../problems/problem.js';
import { toProblem, whatFailed } from '../../problems/to-problem.js';
import type { RequestTrace } from '../../tracing/request-trace.js';
import { Tracer } from '../../tracing/tracer.js';
import { AccessGuard, Requires } from '../access/access.guard.js';
import { Metrics } from '../metrics/metrics.js';
import { BaseUri } from './base-uri.js';
import { SessionExchange } from './session-exchange.js';
import { SessionHash } from './session-hash.js';
import { parseSessionKey } from './session-key.js';
import { ValueReader } from './session-value.js';
import { SessionsController } from './sessions.controller.js';
import { ValuesUnderway } from './values-underway.js';

/** The status of a request whose client left before it had the whole answer: no one of HTTP's, but known from proxies. */
const CLIENT_LEFT = 499;

const FOREIGN_PAGE = new Problem('forbidden', 'Sessions are not for the pages of other sites');
/** Of pages of our own, and of who typed an address (Fetch Metadata, section 2.4). */
const OWN_SITES = ['same-origin', 'none'];

/** What is done for a method, and what its caller must be permitted for it. */
interface Handler {
  permission: Permission;
  handle(exchange: SessionExchange): Promise<void>;
}

/**
 * The hot route: requests for sessions, from Node's server straight to the controller. Each is admitted or refused
 * before a byte of its body is read, answered, counted and, if it failed, logged.
 */
@Injectable()
export class SessionRequests {
  private readonly handlers: ReadonlyMap<string, Handler>;
  private readonly lines: Record<'warn' | 'error', LogBudget>;

  constructor(
    controller: SessionsController,
    private readonly guard: AccessGuard,
    private readonly baseUri: BaseUri,
    private readonly values: ValueReader,
    private readonly answers: ValuesUnderway,
    private readonly connections: HttpConnections,
    private readonly metrics: Metrics,
    private readonly sessionHash: SessionHash,
    @Inject(Tracer) private readonly tracer: Tracer | null,
    private readonly logger: PinoLogger,
    reflector: Reflector,
  ) {
    // Faults of clients leave room for our own.
    this.lines = { warn: new LogBudget(logger.logger), error: new LogBudget(logger.logger) };
    const handler = (name: 'read' | 'write' | 'touch' | 'delete'): Handler => ({
      // eslint-disable-next-line @typescript-eslint/unbound-method -- only its decorator is read
      permission: reflector.get(Requires, controller[name]),
      handle: (exchange) => controller[name](exchange),
    });
    this.handlers = new Map([
      ['GET', handler('read')],
      ['HEAD', handler('read')],
      ['POST', handler('write')],
      // MediaWiki's client writes with PUT unless told otherwise.
      ['PUT', handler('write')],
      ['PATCH', handler('touch')],
      ['DELETE', handler('delete')],
    ]);
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.connections.of(request);
    const exchange = new SessionExchange(connection, request, response);
    if (this.tracer) exchange.trace = this.tracer.begin(request.headers, exchange.startedAt);
    this.metrics.httpInFlight++;
    response.once('close', () => this.record(exchange));
    connection.begin(response, () => void this.handle(exchange));
  }

  private async handle(exchange: SessionExchange): Promise<void> {
    try {
      await this.admit(exchange).handle(exchange);
    } catch (error) {
      // Half an answer cannot be taken back: the client must not take it for a whole one.
      if (exchange.response.headersSent) return void exchange.response.destroy();
      const problem = toProblem(error);
      exchange.failure = whatFailed(error, problem);
      exchange.problem = problem.problem;
      if (isRefusal(problem.status)) this.values.decline(exchange);
      exchange.answerProblem(problem, this.baseUri.instanceOf(exchange.target));
    }
  }

  private admit(exchange: SessionExchange): Handler {
    keepToProtocol(exchange.request, exchange.response);
    // Browsers let any page send a POST of text to any address, such as a developer's own.
    if (isOfForeignPage(exchange.request.headers)) throw FOREIGN_PAGE;
    const caller = this.guard.identify(exchange.request, exchange.connection);
    const handler = this.handlers.get(exchange.method);
    if (!handler) throw this.notAllowed(exchange.method);
    exchange.key = parseSessionKey(this.baseUri.rest(exchange.target));
    this.guard.admit(caller, handler.permission, exchange.key);
    return handler;
  }

  private notAllowed(method: string): Problem {
    const allow = [...this.handlers.keys()].join(', ');
    return new Problem('method_not_allowed', `${method} is not allowed; ${allow} are`, { allow });
  }

  /**
   * What became of a request, with the status that the client saw: at the end of the response itself, which comes also
   * when a client gives up, as in an outage most of them do.
   */
  private record(exchange: SessionExchange): void {
    const milliseconds = performance.now() - exchange.startedAt;
    const hasLeft = exchange.hasClientLeft || !exchange.response.writableFinished;
    const status = hasLeft ? CLIENT_LEFT : exchange.response.statusCode;
    this.values.release(exchange);
    this.answers.release(exchange);
    this.metrics.httpInFlight--;
    this.metrics.countRequest(exchange.method, status, milliseconds / 1000);
    if (exchange.trace) this.endTrace(exchange.trace, exchange, status);
    const level = levelOf(exchange, status);
    if (!this.logger.logger.isLevelEnabled(level)) return;
    if (level !== 'debug' && !this.lines[level].hasRoom()) return;
    this.logger.logger[level]({
      msg: 'session request',
      request_id: exchange.requestId,
      trace_id: exchange.trace?.traceId,
      session: this.sessionHash.of(exchange.key),
      method: exchange.method,
      status,
      duration_ms: Math.round(milliseconds * 10) / 10,
      reason: hasLeft ? 'The client left before it was answered' : exchange.failure,
    });
  }

  private endTrace(trace: RequestTrace, exchange: SessionExchange, status: number): void {
    trace.end({
      method: exchange.method,
      status,
      version: exchange.request.httpVersion,
      scheme: exchange.connection.terms.isTls ? 'https' : 'http',
      problem: exchange.problem,
      session: this.sessionHash.of(exchange.key),
    });
  }
}

/**
 * Whether a browser says so; other clients send neither header. In clear, to all but this machine, it tells no more than
 * the origin of a page that writes (Fetch, section 3.2).
 */
function isOfForeignPage(headers: IncomingHttpHeaders): boolean {
  const { origin, host, 'sec-fetch-site': site, ':authority': authority = host } = headers;
  if (site !== undefined) return !OWN_SITES.includes(site);
  return origin !== undefined && !origin.endsWith(`//${String(authority)}`);
}

/** A line for each request that failed, and at level debug for every other. Never the path: it is a session key. */
function levelOf({ key, failure }: SessionExchange, status: number): 'debug' | 'warn' | 'error' {
  if (status >= 500) return 'error';
  const isOutcome = (status === 404 && key !== '') || status === 412;
  // AccessGuard tells of its own once a connection.
  const isTold = isRefusal(status) && failure !== FOREIGN_PAGE.detail;
  return status < 400 || isOutcome || isTold ? 'debug' : 'warn';
}

function isRefusal(status: number): boolean {
  return status === 401 || status === 403;
}
