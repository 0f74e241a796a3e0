// GET /v1/keyspaces/{ks}/hot-keys: the keys that are read most, and the largest values, by a
// sample.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName, shorten } from '../../../base/ids.ts';
import { hotKeysJson } from '../../../proto/content-json.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import { RESPONSES, queryOf } from './schemas.ts';

type HotKeysRequest = FastifyRequest<{
  Params: { keyspace: string };
  Querystring: { limit?: string };
}>;

export function hotKeysRoute(app: FastifyInstance, operations: ClusterOperations): void {
  app.get(
    '/v1/keyspaces/:keyspace/hot-keys',
    {
      schema: {
        tags: ['keyspaces'],
        summary: 'The keys that are read most and the largest values, by a sample of the reads',
        querystring: queryOf({ limit: 'How many of each; 20, at most 100' }),
        response: RESPONSES.hotKeys,
      },
    },
    async ({ params, query }: HotKeysRequest) => {
      const keyspace = keyspaceName(params.keyspace);
      const answer = await operations.listHotKeys({ keyspace, limit: limitOf(query.limit) });
      return hotKeysJson(keyspace, answer);
    },
  );
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return 0;
  if (/^[1-9][0-9]{0,2}$/.test(text)) return Number(text);
  const message = `limit is '${shorten(text)}'; it must be a number from 1 to 100.`;
  throw new SteleError('INVALID_ARGUMENT', message);
}
