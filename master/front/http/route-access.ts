// The door of the HTTP port with --auth on: what each route asks of its caller, and who that is.
//
// An app does not start with a route that is not listed here.

import assert from 'node:assert/strict';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Access } from '../../../access/access.ts';
import type { Right } from '../../../access/rights.ts';
import { requireRight } from '../../../access/subject.ts';
import type { Subject } from '../../../access/subject.ts';
import { toSteleError } from '../../../base/errors.ts';
import { shownBy } from '../../../transport/http-access.ts';
import { sendProblem } from './problem.ts';
import { queryBytes } from './raw-url.ts';
import { METHODS_ONLY } from './route-methods.ts';

/**
 * `open`: nothing; `user`: any user, whose answer has only what it may read; `user for details`:
 * nothing, and any user if it is asked about keyspaces; `metrics`: the right `operate`, or what
 * opens them (metrics-door.ts); otherwise a right: on the keyspace in the path or the query, on
 * that of the load in the path, or on everything. `members`: on the keyspace in the path, a right
 * for each member that the body may have.
 */
type RouteAccess =
  | 'open'
  | 'user'
  | 'user for details'
  | 'metrics'
  | { readonly right: Right; readonly of: 'path' | 'query' | 'load' | 'everything' }
  | { readonly members: Readonly<Record<string, Right>> };

const read = { right: 'read', of: 'path' } as const;
const load = { right: 'load', of: 'path' } as const;
const operate = { right: 'operate', of: 'path' } as const;
const operateAll = { right: 'operate', of: 'everything' } as const;

export const ROUTE_ACCESS: Readonly<Record<string, RouteAccess>> = {
  'GET /': 'open',
  'GET /console/:file': 'open',
  'GET /livez': 'open',
  'GET /readyz': 'user for details',
  'GET /metrics': 'metrics',
  'GET /v1/audit': { right: 'admin', of: 'everything' },
  'GET /docs': 'user',
  'GET /docs/*': 'user',
  'GET /get': { right: 'read', of: 'query' },
  'GET /v1/keyspaces/:keyspace/keys/:key': read,
  'POST /v1/keyspaces/:keyspace/lookup': read,
  'GET /v1/session': 'user',
  'GET /v1/stats': 'user',
  'GET /v1/keyspaces': 'user',
  'GET /v1/keyspaces/:keyspace': read,
  'GET /v1/keyspaces/:keyspace/versions': read,
  'GET /v1/keyspaces/:keyspace/diff': read,
  'GET /v1/keyspaces/:keyspace/hot-keys': read,
  'GET /v1/keyspaces/:keyspace/cost': read,
  'POST /v1/keyspaces/:keyspace/rollback': load,
  'POST /v1/keyspaces/:keyspace/promote': load,
  'DELETE /v1/keyspaces/:keyspace/versions/:version': operate,
  'PUT /v1/keyspaces/:keyspace': load,
  'PATCH /v1/keyspaces/:keyspace': {
    members: { keep: 'load', cache: 'operate', replication: 'operate', tier: 'operate' },
  },
  'DELETE /v1/keyspaces/:keyspace': operate,
  'POST /v1/keyspaces/:keyspace/suspend': operate,
  'POST /v1/keyspaces/:keyspace/resume': operate,
  'GET /v1/loads': 'user',
  'GET /v1/loads/:id': { right: 'read', of: 'load' },
  'POST /v1/loads/:id/cancel': { right: 'load', of: 'load' },
  'GET /v1/events': operateAll,
  'GET /v1/counters': 'user',
  'GET /v1/cluster/health': 'user',
  'GET /v1/masters': 'user',
  'GET /v1/shards': 'user',
  'GET /v1/explain/:keyspace/:key': read,
  'GET /v1/explain/:keyspace': read,
  'GET /v1/nodes': 'user',
  'POST /v1/nodes/:id/drain': operateAll,
  'POST /v1/nodes/:id/resume': operateAll,
  'DELETE /v1/nodes/:id': operateAll,
};

const subjects = new WeakMap<FastifyRequest, Subject>();

/** Who sent the request; undefined without --auth on, and at open routes. */
export function subjectOf(request: FastifyRequest): Subject | undefined {
  return subjects.get(request);
}

/**
 * Checks the callers of all routes that are added from now on. `keyspaceOfLoad` may throw
 * LOAD_NOT_FOUND.
 */
export function guardRoutes(
  app: FastifyInstance,
  access: Access,
  keyspaceOfLoad: (loadId: string) => Promise<string>,
): void {
  app.addHook('onRoute', (route) => {
    if (tellsNothing(route.config)) return;
    for (const each of [route.method].flat()) {
      const asked = accessOf(each, route.url);
      if (typeof asked !== 'object' || !('members' in asked)) continue;
      const { members } = asked;
      route.preHandler = async (request) => requireMembers(request, members);
    }
  });
  app.addHook('onRequest', async (request, reply) => {
    const { config, url = '' } = request.routeOptions;
    if (request.is404 || tellsNothing(config)) return undefined;
    const asked = accessOf(request.method, url);
    if (isOpen(asked, request, access)) return undefined;
    try {
      const subject = await access.identify(shownBy(request.raw));
      subjects.set(request, subject);
      const { keyspace } = request.query as { keyspace?: string };
      if (subject.isCluster) return undefined;
      if (asked === 'metrics') {
        requireRight(subject, 'operate');
      } else if (typeof asked === 'object' && 'members' in asked) {
        requireOneOf(subject, Object.values(asked.members), request);
      } else if (typeof asked === 'object') {
        requireRight(subject, asked.right, await keyspaceIn(request, asked.of, keyspaceOfLoad));
      } else if (asked === 'user' && keyspace !== undefined) {
        // A listing of one keyspace.
        requireRight(subject, 'read', keyspace);
      }
      return undefined;
    } catch (thrown) {
      return sendProblem(reply, toSteleError(thrown));
    }
  });
}

/** Whether a request asks for a change. */
export function isChange({ is404, method, routeOptions }: FastifyRequest): boolean {
  const { config, url = '' } = routeOptions;
  if (is404 || method === 'GET' || method === 'HEAD' || tellsNothing(config)) return false;
  const asked = accessOf(method, url);
  return typeof asked === 'object' && ('members' in asked || asked.right !== 'read');
}

function isOpen(asked: RouteAccess, request: FastifyRequest, access: Access): boolean {
  if (asked === 'metrics') return access.opensMetrics(request.headers.authorization);
  return asked === 'open' || (asked === 'user for details' && !asksDetails(request));
}

/** Checks the members of a body whose form is known to be right. Throws PERMISSION_DENIED. */
function requireMembers(request: FastifyRequest, members: Readonly<Record<string, Right>>): void {
  const subject = subjects.get(request);
  if (subject === undefined || subject.isCluster) return;
  for (const member of Object.keys(request.body as object)) {
    const right = members[member];
    assert(right !== undefined, `which right the member ${member} needs is not listed`);
    requireRight(subject, right, pathKeyspace(request));
  }
}

/** Keeps those from sending a body who may not send any. Throws PERMISSION_DENIED. */
function requireOneOf(subject: Subject, rights: readonly Right[], request: FastifyRequest): void {
  const keyspace = pathKeyspace(request);
  const [first] = rights;
  if (first === undefined || rights.some((right) => subject.may(right, keyspace))) return;
  requireRight(subject, first, keyspace);
}

function accessOf(method: string, url: string): RouteAccess {
  const name = `${method === 'HEAD' ? 'GET' : method} ${url}`;
  const found = Object.hasOwn(ROUTE_ACCESS, name) ? ROUTE_ACCESS[name] : undefined;
  assert(found !== undefined, `who may send ${name} is not listed`);
  return found;
}

function asksDetails({ query }: FastifyRequest): boolean {
  return Object.keys(query as object).some((name) => name === 'verbose' || name === 'keyspace');
}

/** Whether a route only says which methods its URL has (route-methods.ts). */
function tellsNothing(config: object | undefined): boolean {
  return config !== undefined && METHODS_ONLY in config;
}

async function keyspaceIn(
  request: FastifyRequest,
  where: 'path' | 'query' | 'load' | 'everything',
  keyspaceOfLoad: (loadId: string) => Promise<string>,
): Promise<string | undefined> {
  const { id = '' } = request.params as { id?: string };
  switch (where) {
    case 'path':
      return pathKeyspace(request);
    case 'query':
      return queryBytes(request.originalUrl, 'keyspace')?.toString('utf8') ?? 'default';
    case 'load':
      return keyspaceOfLoad(id);
    case 'everything':
      return undefined;
  }
}

function pathKeyspace({ params }: FastifyRequest): string {
  return (params as { keyspace?: string }).keyspace ?? '';
}
