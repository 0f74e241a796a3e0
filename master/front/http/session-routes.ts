// For pages and tools that show what a caller may do: GET /v1/session. And GET /v1/stats: what this
// process has answered so far.

import type { FastifyInstance } from 'fastify';
import { RIGHTS } from '../../../access/rights.ts';
import type { Right } from '../../../access/rights.ts';
import type { Subject } from '../../../access/subject.ts';
import { visibleView } from '../../../access/visible.ts';
import type { ViewSource } from '../../../proto/operations.ts';
import { subjectOf } from './route-access.ts';
import { RESPONSES } from './schemas.ts';

export interface SessionRoutesOptions {
  readonly views: ViewSource;
  /** Whether callers must say who they are. */
  readonly asksWho: boolean;
  readonly stats: () => object;
}

/** Registers /v1/session and /v1/stats. */
export function sessionRoutes(
  app: FastifyInstance,
  { asksWho, stats, views }: SessionRoutesOptions,
): void {
  const tags = ['process'];
  app.get(
    '/v1/session',
    {
      schema: {
        tags,
        summary: 'Who the caller is, and which rights it has on what',
        response: RESPONSES.session,
      },
    },
    async (request) => {
      const subject = subjectOf(request);
      const { keyspaces } = visibleView(subject, views.current());
      return {
        auth: asksWho,
        user: subject === undefined || subject.isCluster ? null : subject.name,
        rights: rightsOf(subject),
        keyspaces: keyspaces.map(({ name }) => ({ name, rights: rightsOf(subject, name) })),
      };
    },
  );
  app.get(
    '/v1/stats',
    {
      schema: {
        tags,
        summary: 'Reads, their times, cache and connections of this process, since its start',
        response: RESPONSES.stats,
      },
    },
    async () => stats(),
  );
}

function rightsOf(subject: Subject | undefined, keyspace?: string): Right[] {
  return RIGHTS.filter((right) => subject === undefined || subject.may(right, keyspace));
}
