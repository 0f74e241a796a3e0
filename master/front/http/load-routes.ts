// Bulk loads over HTTP: lists running and recent loads, and cancels one. `stele load` itself uses
// gRPC and sends segments directly to the datanodes.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { visibleLoads } from '../../../access/visible.ts';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName, shorten } from '../../../base/ids.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import { subjectOf } from './route-access.ts';
import { RESPONSES } from './schemas.ts';
import { loadJson } from '../../../proto/json-shapes.ts';

const LOAD_ID_PATTERN = /^[0-9a-f]{16}$/;
const REASON_CHARACTERS_MAX = 200;

const CANCEL_BODY = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: { reason: { type: 'string', maxLength: REASON_CHARACTERS_MAX } },
} as const;

const LIST_QUERY = { type: 'object', properties: { keyspace: { type: 'string' } } } as const;

type OfLoad<Body = unknown> = FastifyRequest<{ Params: { id: string }; Body: Body }>;

/** Registers the routes of loads. */
export function loadRoutes(app: FastifyInstance, operations: ClusterOperations): void {
  const tags = ['loads'];
  app.get(
    '/v1/loads',
    {
      schema: {
        tags,
        summary: 'Running loads, then the last ones',
        querystring: LIST_QUERY,
        response: RESPONSES.loads,
      },
    },
    async (request: FastifyRequest<{ Querystring: { keyspace?: string } }>) => {
      const { keyspace } = request.query;
      const all = await operations.listLoads({
        keyspace: keyspace === undefined ? '' : keyspaceName(keyspace),
      });
      const { loads } = visibleLoads(subjectOf(request), all);
      return { loads: loads.map(loadJson) };
    },
  );
  app.get(
    '/v1/loads/:id',
    {
      schema: {
        tags,
        summary: 'One load: owner, stage, progress, outcome',
        response: RESPONSES.load,
      },
    },
    async (request: OfLoad) =>
      loadJson(await operations.getLoad({ loadId: loadIdOf(request.params.id) })),
  );
  app.post(
    '/v1/loads/:id/cancel',
    {
      schema: { tags, summary: 'Stop a running load', body: CANCEL_BODY, response: RESPONSES.load },
    },
    async (request: OfLoad<{ reason?: string } | null>) => {
      const loadId = loadIdOf(request.params.id);
      return loadJson(await operations.cancelLoad({ loadId, reason: request.body?.reason ?? '' }));
    },
  );
}

function loadIdOf(text: string): string {
  if (LOAD_ID_PATTERN.test(text)) return text;
  throw new SteleError(
    'LOAD_NOT_FOUND',
    `'${shorten(text)}' is not the id of a load; GET /v1/loads lists them.`,
  );
}
