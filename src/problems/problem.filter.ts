import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BaseUri } from '../modules/sessions/base-uri.js';
import { type Problem, PROBLEM_CONTENT_TYPE } from './problem.js';
import { toProblem } from './to-problem.js';

/** Errors of every endpoint but the sessions': whatever was thrown becomes a problem document. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly baseUri: BaseUri) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const { originalUrl } = http.getRequest<FastifyRequest>();
    sendProblem(toProblem(error), this.baseUri.instanceOf(originalUrl), http.getResponse<FastifyReply>());
  }
}

export function sendProblem(problem: Problem, instance: string, reply: FastifyReply): void {
  const document = problem.document(instance);
  // As bytes: to a text Fastify would add a charset, which this media type does not have.
  void reply
    .code(problem.status)
    .headers({ ...problem.headers, 'content-type': PROBLEM_CONTENT_TYPE })
    .send(Buffer.from(document));
}
