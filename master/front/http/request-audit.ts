// The audit log of the HTTP port: one line for each change and each refused request, when its
// answer is sent. Values are sent past fastify, and cost nothing here.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isRefusal } from '../../../access/audit/audit.ts';
import type { Audit } from '../../../access/audit/audit.ts';
import type { ErrorCode } from '../../../base/errors.ts';
import { httpAttempt } from '../../../transport/http-access.ts';
import { codeOf } from './problem.ts';
import { isChange, subjectOf } from './route-access.ts';

/** Notes the requests of all routes in `audit`. */
export function auditRequests(app: FastifyInstance, audit: Audit): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    const result = resultOf(reply);
    if (isRefusal(result) || isChange(request)) note(audit, request, result);
    done(null, payload);
  });
}

function note(audit: Audit, request: FastifyRequest, result: ErrorCode | 'OK'): void {
  const { url = '(unknown)' } = request.routeOptions;
  const { who, ...attempt } = httpAttempt(
    request,
    subjectOf(request),
    `${request.method} ${request.is404 ? '(unknown)' : url}`,
  );
  // A request that is refused for its origin was not asked who sent it.
  const isKnown = subjectOf(request) !== undefined || result === 'UNAUTHENTICATED';
  const { id, keyspace, version } = request.params as Readonly<Record<string, string | undefined>>;
  const asked = (request.query as { keyspace?: unknown }).keyspace;
  audit.note({
    ...attempt,
    ...(isKnown && who !== undefined ? { who } : {}),
    keyspace: keyspace ?? (typeof asked === 'string' ? asked : ''),
    about: id ?? version ?? '',
    result,
  });
}

function resultOf(reply: FastifyReply): ErrorCode | 'OK' {
  return reply.statusCode < 400 ? 'OK' : (codeOf(reply) ?? 'INTERNAL');
}
