// GET /v1/keyspaces/{ks}/cost: what a keyspace takes of memory and disk, and what changes would free.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { keyspaceName } from '../../../base/ids.ts';
import { costJson } from '../../../proto/content-json.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import { RESPONSES } from './schemas.ts';

export function costRoute(app: FastifyInstance, operations: ClusterOperations): void {
  app.get(
    '/v1/keyspaces/:keyspace/cost',
    {
      schema: {
        tags: ['keyspaces'],
        summary: 'What it takes of memory and disk in either tier, and what changes would free',
        response: RESPONSES.cost,
      },
    },
    async ({ params }: FastifyRequest<{ Params: { keyspace: string } }>) => {
      const keyspace = keyspaceName(params.keyspace);
      return costJson(keyspace, await operations.getCost({ keyspace }));
    },
  );
}
