import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from '../../problems/problem.js';
import { type BaseUri, isOtherEndpoint } from './base-uri.js';
import { parseSessionKey } from './session-key.js';
import { ValueReader } from './session-value.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The decoded key; empty until the request was admitted, and for requests outside `base_uri`. */
    sessionKey: string;
  }
}

const ALLOWED = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'];
const ALLOWED_ELSEWHERE = ['GET', 'HEAD'];

/** The key of an admitted session request, as a parameter of a controller's method. */
export const SessionKey = createParamDecorator(
  (_: unknown, context: ExecutionContext): string =>
    context.switchToHttp().getRequest<FastifyRequest>().sessionKey,
);

/**
 * Admits or refuses session requests in Fastify's `onRequest`: Fastify reads the whole body before a guard of Nest
 * runs, and what is refused should not be read.
 */
export function admitSessionRequests(
  fastify: FastifyInstance,
  baseUri: BaseUri,
  maxValueBytes: number,
): void {
  fastify.decorateRequest('sessionKey', '');
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (request.isForSession) admit(request, baseUri);
    // The router knows `base_uri` without its slash, in any spelling.
    else if (request.is404 || request.routeOptions.url === baseUri.route) throw noRoute(request);
    done();
  });
  new ValueReader(maxValueBytes).register(fastify);
}

function admit(request: FastifyRequest, baseUri: BaseUri): void {
  if (!ALLOWED.includes(request.method)) throw notAllowed(request.method, ALLOWED);
  request.sessionKey = parseSessionKey(baseUri.rest(request.originalUrl));
  // Values are bytes whatever the client calls them; Fastify would refuse a Content-Type that it cannot parse.
  request.headers['content-type'] = 'application/octet-stream';
}

function noRoute({ originalUrl, method }: FastifyRequest): Problem {
  if (isOtherEndpoint(originalUrl)) return notAllowed(method, ALLOWED_ELSEWHERE);
  return new Problem('not_found', 'There is nothing at this path');
}

function notAllowed(method: string, allowed: string[]): Problem {
  const allow = allowed.join(', ');
  return new Problem('method_not_allowed', `${method} is not allowed; ${allow} are`, { allow });
}
