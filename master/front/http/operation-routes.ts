// Operations over HTTP: the cluster's health, placement and membership, together with the routes of
// keyspaces (keyspace-routes.ts), of loads (load-routes.ts) and of events (event-routes.ts). Each
// route is one call of ClusterOperations.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { visibleHealth } from '../../../access/visible.ts';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName, nodeId, shardNumber, shorten } from '../../../base/ids.ts';
import { parseDurationMs } from '../../../base/units.ts';
import type { ReadCounters } from '../../../proto/gen/stele/v1/counters.ts';
import { HealthStatus } from '../../../proto/gen/stele/v1/view.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import { keyspaceRoutes } from './keyspace-routes.ts';
import { eventRoutes } from './event-routes.ts';
import { sendTagged } from './etag.ts';
import { loadRoutes } from './load-routes.ts';
import { diffRoute } from './diff-route.ts';
import { costRoute } from './cost-route.ts';
import { hotKeysRoute } from './hot-keys-route.ts';
import { sendProblem } from './problem.ts';
import { subjectOf } from './route-access.ts';
import { keyOfUrl } from './raw-url.ts';
import { RESPONSES, queryOf } from './schemas.ts';
import { runAs } from '../../callers/actor.ts';
import {
  explainKeyJson,
  explainShardJson,
  healthJson,
  masterJson,
  noLeaderJson,
  nodesJson,
  shardsJson,
} from '../../../proto/json-shapes.ts';

const WAIT_MS_DEFAULT = 30_000;
const WAIT_MS_MAX = 600_000;
/** Time for which a socket may outlast its wait for health. */
const WAIT_SLACK_MS = 10_000;

const REMOVE_QUERY = {
  type: 'object',
  properties: { force: { type: 'string', enum: ['true', 'false'] } },
} as const;

type OfKeyspace = FastifyRequest<{ Params: { keyspace: string } }>;
type OfNode = FastifyRequest<{ Params: { id: string } }>;

/** Registers the routes of keyspaces, loads, cluster and nodes. */
export function operationRoutes(
  app: FastifyInstance,
  operations: ClusterOperations,
  ownReads: () => ReadCounters,
): void {
  // After the body has been read, because reading it in pieces loses the request's async context.
  app.addHook('preHandler', (request, _reply, done) => {
    if (request.method === 'GET' || request.method === 'HEAD') return done();
    // Unknown once the client is gone.
    const address = request.socket.remoteAddress ?? '';
    runAs({ door: 'http', address, who: subjectOf(request)?.name ?? '' }, done);
  });
  eventRoutes(app, operations, ownReads);
  keyspaceRoutes(app, operations);
  loadRoutes(app, operations);
  diffRoute(app, operations);
  hotKeysRoute(app, operations);
  costRoute(app, operations);
  clusterRoutes(app, operations);
  nodeRoutes(app, operations);
}

function clusterRoutes(app: FastifyInstance, operations: ClusterOperations): void {
  const tags = ['cluster'];
  app.get(
    '/v1/cluster/health',
    {
      schema: {
        tags,
        summary: 'Health; ?wait_for_status=green&timeout=30s waits for it',
        querystring: queryOf({ wait_for_status: 'green, yellow or red', timeout: '30s' }),
        response: RESPONSES.health,
      },
    },
    (
      request: FastifyRequest<{ Querystring: { wait_for_status?: string; timeout?: string } }>,
      reply,
    ) => health(operations, request, reply),
  );
  app.get(
    '/v1/masters',
    { schema: { tags, summary: 'Who leads, who follows', response: RESPONSES.masters } },
    async () => {
      const { masters } = await operations.listMasters();
      return { masters: masters.map(masterJson) };
    },
  );
  app.get(
    '/v1/shards',
    { schema: { tags, summary: 'Owners and holders', response: RESPONSES.shards } },
    async (request, reply) => {
      const answer = await operations.listShards();
      const json = { shards: shardsJson(answer), ...noLeaderJson(answer) };
      return sendTagged(request, reply, json);
    },
  );
  app.get(
    '/v1/explain/:keyspace/:key',
    { schema: { tags, summary: 'Where a key lives, and why', response: RESPONSES.explainedKey } },
    async (request: OfKeyspace) => {
      const key = keyOfUrl(request.originalUrl);
      const keyspace = keyspaceName(request.params.keyspace);
      return explainKeyJson(await operations.explain({ keyspace, key }), key);
    },
  );
  app.get(
    '/v1/explain/:keyspace',
    {
      schema: {
        tags,
        summary: 'Why each copy of a shard is where it is, or what it waits for: ?shard=3',
        querystring: queryOf({ shard: 'the number of the shard' }),
        response: RESPONSES.explainedShard,
      },
    },
    async (
      request: FastifyRequest<{ Params: { keyspace: string }; Querystring: { shard?: string } }>,
    ) => {
      const { shard } = request.query;
      if (shard === undefined) {
        throw new SteleError(
          'INVALID_ARGUMENT',
          'Name a key (/v1/explain/{keyspace}/{key}) or a shard (?shard=3).',
        );
      }
      const keyspace = keyspaceName(request.params.keyspace);
      const asked = { keyspace, key: Buffer.alloc(0), shard: shardNumber(shard) };
      return explainShardJson(await operations.explain(asked));
    },
  );
}

function nodeRoutes(app: FastifyInstance, operations: ClusterOperations): void {
  const tags = ['nodes'];
  app.get(
    '/v1/nodes',
    { schema: { tags, summary: 'All datanodes', response: RESPONSES.nodes } },
    async () => {
      const answer = await operations.listNodes();
      return { nodes: nodesJson(answer), ...noLeaderJson(answer) };
    },
  );
  app.post(
    '/v1/nodes/:id/drain',
    {
      schema: {
        tags,
        summary: 'Copy its replicas elsewhere, then stop serving',
        response: RESPONSES.draining,
      },
    },
    async (request: OfNode) => {
      await operations.drainNode(nodeId(request.params.id));
      return { id: request.params.id, draining: true };
    },
  );
  app.post(
    '/v1/nodes/:id/resume',
    { schema: { tags, summary: 'Undo a drain', response: RESPONSES.draining } },
    async (request: OfNode) => {
      await operations.resumeNode(nodeId(request.params.id));
      return { id: request.params.id, draining: false };
    },
  );
  app.delete(
    '/v1/nodes/:id',
    {
      schema: {
        tags,
        summary: 'Forget a datanode that is stopped; ?force=true also the only copies it may have',
        querystring: REMOVE_QUERY,
        response: RESPONSES.removedNode,
      },
    },
    async (
      request: FastifyRequest<{ Params: { id: string }; Querystring: { force?: string } }>,
    ) => {
      await operations.removeNode(nodeId(request.params.id), request.query.force === 'true');
      return { id: request.params.id, removed: true };
    },
  );
}

async function health(
  operations: ClusterOperations,
  request: FastifyRequest<{ Querystring: { wait_for_status?: string; timeout?: string } }>,
  reply: FastifyReply,
): Promise<unknown> {
  const waitFor = healthStatusOf(request.query.wait_for_status);
  const timeoutMs = Math.min(
    WAIT_MS_MAX,
    request.query.timeout === undefined ? WAIT_MS_DEFAULT : parseDurationMs(request.query.timeout),
  );
  const gone = new AbortController();
  reply.raw.setTimeout(timeoutMs + WAIT_SLACK_MS);
  reply.raw.once('close', () => gone.abort());
  const known = await operations.health({ waitFor, timeoutMs }, gone.signal);
  const answer = visibleHealth(subjectOf(request), known);
  if (waitFor === HealthStatus.UNSPECIFIED || answer.reached) return healthJson(answer);
  return sendProblem(
    reply,
    new SteleError(
      'DEADLINE_EXCEEDED',
      `The cluster did not become ${request.query.wait_for_status} within ${timeoutMs} ms.`,
    ),
    408,
    { health: healthJson(answer) },
  );
}

function healthStatusOf(word: string | undefined): HealthStatus {
  switch (word?.toLowerCase()) {
    case undefined:
      return HealthStatus.UNSPECIFIED;
    case 'green':
      return HealthStatus.GREEN;
    case 'yellow':
      return HealthStatus.YELLOW;
    case 'red':
      return HealthStatus.RED;
    default:
      throw new SteleError(
        'INVALID_ARGUMENT',
        `wait_for_status '${shorten(word ?? '')}' is not known; use green, yellow or red.`,
      );
  }
}
