// Operations over HTTP: datasets, the cluster's health and placement, membership. Each route is
// one call of ClusterOperations.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName, nodeId, shorten, version as parseVersion } from '../../../base/ids.ts';
import { parseDurationMs } from '../../../base/units.ts';
import { HealthStatus } from '../../../proto/gen/stele/v1/view.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import { sendProblem } from './problem.ts';
import { keyOfUrl } from './raw-url.ts';
import {
  explainJson,
  healthJson,
  keyspaceJson,
  nodeJson,
  shardJson,
  versionJson,
} from './shapes.ts';

const WAIT_MS_DEFAULT = 30_000;
const WAIT_MS_MAX = 600_000;
/** A socket that waits for health is given this much longer than the wait. */
const WAIT_SLACK_MS = 10_000;

type OfKeyspace = FastifyRequest<{ Params: { keyspace: string } }>;
type OfNode = FastifyRequest<{ Params: { id: string } }>;

const ROLLBACK_BODY = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: { to: { type: 'integer', minimum: 1 } },
} as const;

/** Registers the routes of keyspaces, cluster and nodes. */
export function operationRoutes(app: FastifyInstance, operations: ClusterOperations): void {
  keyspaceRoutes(app, operations);
  clusterRoutes(app, operations);
  nodeRoutes(app, operations);
}

function keyspaceRoutes(app: FastifyInstance, operations: ClusterOperations): void {
  const tags = ['keyspaces'];
  app.get('/v1/keyspaces', { schema: { tags, summary: 'All datasets' } }, async () => {
    const { keyspaces } = await operations.listKeyspaces();
    return { keyspaces: keyspaces.map(keyspaceJson) };
  });
  app.get(
    '/v1/keyspaces/:keyspace',
    { schema: { tags, summary: 'One dataset: counts, bytes, state, digest' } },
    async (request: OfKeyspace) => {
      const name = keyspaceName(request.params.keyspace);
      const { keyspaces } = await operations.listKeyspaces();
      const found = keyspaces.find((keyspace) => keyspace.name === name);
      if (found !== undefined) return keyspaceJson(found);
      throw new SteleError(
        'KEYSPACE_NOT_FOUND',
        `There is no keyspace '${name}'; GET /v1/keyspaces lists those there are.`,
      );
    },
  );
  app.get(
    '/v1/keyspaces/:keyspace/versions',
    { schema: { tags, summary: 'The versions that are kept' } },
    async (request: OfKeyspace) => {
      const keyspace = keyspaceName(request.params.keyspace);
      const { versions } = await operations.listVersions({ keyspace });
      return { keyspace, versions: versions.map(versionJson) };
    },
  );
  app.post(
    '/v1/keyspaces/:keyspace/rollback',
    { schema: { tags, summary: 'Make an earlier version current', body: ROLLBACK_BODY } },
    async (
      request: FastifyRequest<{ Params: { keyspace: string }; Body: { to?: number } | null }>,
    ) => {
      const keyspace = keyspaceName(request.params.keyspace);
      const to = request.body?.to;
      const done = await operations.rollback({
        keyspace,
        to: to === undefined ? 0 : parseVersion(to),
      });
      return { keyspace, version: done.version, from: done.from };
    },
  );
  app.delete(
    '/v1/keyspaces/:keyspace',
    { schema: { tags, summary: 'Drop a dataset with all its versions' } },
    async (request: OfKeyspace) => {
      const keyspace = keyspaceName(request.params.keyspace);
      await operations.dropKeyspace({ keyspace });
      return { keyspace, dropped: true };
    },
  );
}

function clusterRoutes(app: FastifyInstance, operations: ClusterOperations): void {
  const tags = ['cluster'];
  app.get(
    '/v1/cluster/health',
    { schema: { tags, summary: 'Health; ?wait_for_status=green&timeout=30s waits for it' } },
    (
      request: FastifyRequest<{ Querystring: { wait_for_status?: string; timeout?: string } }>,
      reply,
    ) => health(operations, request, reply),
  );
  app.get('/v1/shards', { schema: { tags, summary: 'Owners and holders' } }, async () => {
    const { shards } = await operations.listShards();
    return { shards: shards.map(shardJson) };
  });
  app.get(
    '/v1/explain/:keyspace/:key',
    { schema: { tags, summary: 'Where a key lives, and why' } },
    async (request: OfKeyspace) => {
      const key = keyOfUrl(request.originalUrl);
      const keyspace = keyspaceName(request.params.keyspace);
      return explainJson(await operations.explain({ keyspace, key }), key);
    },
  );
}

function nodeRoutes(app: FastifyInstance, operations: ClusterOperations): void {
  const tags = ['nodes'];
  app.get('/v1/nodes', { schema: { tags, summary: 'All datanodes' } }, async () => {
    const { nodes } = await operations.listNodes();
    return { nodes: nodes.map(nodeJson) };
  });
  app.post(
    '/v1/nodes/:id/drain',
    { schema: { tags, summary: 'Copy its replicas elsewhere, then stop serving' } },
    async (request: OfNode) => {
      await operations.drainNode(nodeId(request.params.id));
      return { id: request.params.id, draining: true };
    },
  );
  app.post(
    '/v1/nodes/:id/resume',
    { schema: { tags, summary: 'Undo a drain' } },
    async (request: OfNode) => {
      await operations.resumeNode(nodeId(request.params.id));
      return { id: request.params.id, draining: false };
    },
  );
  app.delete(
    '/v1/nodes/:id',
    { schema: { tags, summary: 'Forget a datanode that is down or drained' } },
    async (request: OfNode) => {
      await operations.removeNode(nodeId(request.params.id));
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
  const answer = await operations.health({ waitFor, timeoutMs }, gone.signal);
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
