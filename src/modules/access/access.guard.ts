import type { IncomingMessage } from 'node:http';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { PinoLogger } from 'nestjs-pino';
import type { Counter } from 'prom-client';
import type { Permission } from '../../config/settings.js';
import type { HttpConnection } from '../../http/http-connection.js';
import { HttpConnections } from '../../http/http-connections.js';
import { ManagementPort } from '../../http/management-port.js';
import { LogBudget } from '../../log-budget.js';
import { Problem } from '../../problems/problem.js';
import { Metrics } from '../metrics/metrics.js';
import { type Caller, Callers } from './callers.js';

/** Of an identity that is refused, as many characters are logged: a proxy's header may hold thousands. */
const MOST_SHOWN = 512;

/** What a handler asks of its caller. */
export const Requires = Reflector.createDecorator<Permission>();

// RFC 9110 section 15.5.2 wants a challenge in each 401. None is registered for what TLS has to bring.
const NOT_AUTHORIZED = new Problem('not_authorized', undefined, { 'www-authenticate': 'Client-Certificate' });
const FORBIDDEN = new Problem('forbidden');

/** Lets in who may do what he asks for, before a byte of his body is read. */
@Injectable()
export class AccessGuard implements CanActivate {
  private readonly refused: Counter<'problem'>;
  private readonly lines: LogBudget;

  constructor(
    private readonly callers: Callers,
    private readonly connections: HttpConnections,
    private readonly reflector: Reflector,
    private readonly management: ManagementPort,
    logger: PinoLogger,
    metrics: Metrics,
  ) {
    this.lines = new LogBudget(logger.logger);
    const help = 'Requests of clients that nobody could identify, or that may not do what they asked for';
    this.refused = metrics.counter('kask_access_refused_total', help, ['problem']);
    for (const { problem } of [NOT_AUTHORIZED, FORBIDDEN]) this.refused.inc({ problem }, 0);
  }

  /** For handlers that Nest's router calls and that require something; what comes by the management port was let in by whoever opened it. */
  canActivate(context: ExecutionContext): boolean {
    const permission = this.reflector.get<Permission | undefined>(Requires, context.getHandler());
    const { raw } = context.switchToHttp().getRequest<FastifyRequest>();
    if (permission && !this.management.took(raw))
      this.admit(this.identify(raw, this.connections.of(raw)), permission);
    return true;
  }

  /** Throws the 401 if nobody can be told from a request. */
  identify(request: IncomingMessage, connection: HttpConnection): Caller {
    const caller = this.callers.of(request, connection);
    if (caller.identity === '') throw this.refuse(caller, NOT_AUTHORIZED);
    return caller;
  }

  /** Throws the 403 of a caller who may not do this, or not to this key: the storage is never asked. */
  admit(caller: Caller, permission: Permission, key?: string): void {
    const { rights } = caller;
    if (!rights?.may(permission) || (key !== undefined && !rights.owns(key)))
      throw this.refuse(caller, FORBIDDEN);
  }

  private refuse(caller: Caller, problem: Problem): Problem {
    this.refused.inc({ problem: problem.problem });
    if (!caller.isLogged) {
      caller.isLogged = true;
      const { status } = problem;
      const identity = caller.identity.slice(0, MOST_SHOWN) || 'none';
      this.lines.write('warn', { msg: 'client refused', identity, status });
    }
    return problem;
  }
}
