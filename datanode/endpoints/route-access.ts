// The door of a datanode's HTTP port with --auth on: what each route asks of its caller.
//
// An app does not start with a route that is not listed here. Upgraded connections are for
// everybody who is known; what they may read and send is checked for each request (lookup-batch.ts,
// segment-keeper.ts).

import assert from 'node:assert/strict';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Access } from '../../access/access.ts';
import type { Audit } from '../../access/audit/audit.ts';
import type { Right } from '../../access/rights.ts';
import { requireRight } from '../../access/subject.ts';
import type { Subject } from '../../access/subject.ts';
import { toSteleError } from '../../base/errors.ts';
import type { SteleError } from '../../base/errors.ts';
import { httpAttempt, shownBy } from '../../transport/http-access.ts';

/**
 * `open`: nothing; `user for details`: nothing, and any user for ?verbose; `metrics`: the right
 * `operate`, or what opens them (metrics-door.ts); otherwise a right on everything.
 */
type RouteAccess = 'open' | 'user for details' | 'metrics' | Right;

export const DATANODE_ROUTES: Readonly<Record<string, RouteAccess>> = {
  'GET /livez': 'open',
  'GET /readyz': 'user for details',
  'GET /metrics': 'metrics',
  'GET /v1/audit': 'admin',
};

interface RouteGuard {
  readonly access: Access;
  readonly audit: Audit | undefined;
  readonly sendProblem: (reply: FastifyReply, error: SteleError) => FastifyReply;
}

const subjects = new WeakMap<FastifyRequest, Subject>();

/** Who sends a request; undefined without --auth on, and for what is open. */
export function subjectOf(request: FastifyRequest): Subject | undefined {
  return subjects.get(request);
}

/** Checks the callers of all routes that are added from now on. */
export function guardRoutes(
  app: FastifyInstance,
  { access, audit, sendProblem }: RouteGuard,
): void {
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) accessOf(each, url);
  });
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) return undefined;
    const { url = '' } = request.routeOptions;
    const asked = accessOf(request.method, url);
    if (isOpen(asked, request, access)) return undefined;
    try {
      const subject = await access.identify(shownBy(request.raw));
      subjects.set(request, subject);
      if (asked === 'metrics') requireRight(subject, 'operate');
      else if (asked !== 'user for details' && asked !== 'open') requireRight(subject, asked);
      return undefined;
    } catch (thrown) {
      const what = `${request.method} ${url}`;
      audit?.noteRefusal(thrown, httpAttempt(request, subjects.get(request), what));
      return sendProblem(reply, toSteleError(thrown));
    }
  });
}

function isOpen(asked: RouteAccess, request: FastifyRequest, access: Access): boolean {
  if (asked === 'metrics') return access.opensMetrics(request.headers.authorization);
  const isBrief = (request.query as { verbose?: string }).verbose === undefined;
  return asked === 'open' || (asked === 'user for details' && isBrief);
}

function accessOf(method: string, url: string): RouteAccess {
  const name = `${method === 'HEAD' ? 'GET' : method} ${url}`;
  const found = Object.hasOwn(DATANODE_ROUTES, name) ? DATANODE_ROUTES[name] : undefined;
  assert(found !== undefined, `who may send ${name} is not listed`);
  return found;
}
