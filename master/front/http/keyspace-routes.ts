// Keyspaces over HTTP: which exist, which version is current, which are kept.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { visibleKeyspaces } from '../../../access/visible.ts';
import { keyspaceName, version as parseVersion } from '../../../base/ids.ts';
import { KEEP_MAX, KEEP_MIN, REPLICATION_MAX } from '../../../base/limits.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import { findKeyspace } from '../../operations/find-in-list.ts';
import { sendTagged } from './etag.ts';
import { subjectOf } from './route-access.ts';
import { RESPONSES } from './schemas.ts';
import {
  keyspacesJson,
  noLeaderJson,
  setTierJson,
  versionJson,
} from '../../../proto/json-shapes.ts';
import { TIER_WORDS, tierNumber } from '../../../proto/view-words.ts';
import type { TierWord } from '../../../proto/view-words.ts';

type OfKeyspace = FastifyRequest<{ Params: { keyspace: string } }>;

const ROLLBACK_BODY = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: { to: { type: 'integer', minimum: 1 } },
} as const;

const PROMOTE_BODY = {
  type: 'object',
  required: ['to'],
  additionalProperties: false,
  properties: { to: { type: 'integer', minimum: 1 } },
} as const;

const SETTINGS_BODY = {
  type: 'object',
  minProperties: 1,
  additionalProperties: false,
  properties: {
    keep: { type: 'integer', minimum: KEEP_MIN, maximum: KEEP_MAX },
    cache: { type: 'boolean' },
    replication: { type: 'integer', minimum: 0, maximum: REPLICATION_MAX },
    tier: { type: 'string', enum: TIER_WORDS },
  },
} as const;

interface Settings {
  readonly keep?: number;
  readonly cache?: boolean;
  /** 0: the cluster's. */
  readonly replication?: number;
  readonly tier?: TierWord;
}

/** Registers the routes of keyspaces and their versions. */
export function keyspaceRoutes(app: FastifyInstance, operations: ClusterOperations): void {
  const tags = ['keyspaces'];
  app.get(
    '/v1/keyspaces',
    { schema: { tags, summary: 'All datasets', response: RESPONSES.keyspaces } },
    async (request, reply) => {
      const answer = visibleKeyspaces(subjectOf(request), await operations.listKeyspaces());
      const json = { keyspaces: keyspacesJson(answer), ...noLeaderJson(answer) };
      return sendTagged(request, reply, json);
    },
  );
  app.get(
    '/v1/keyspaces/:keyspace',
    {
      schema: {
        tags,
        summary: 'One dataset: counts, bytes, state, digest',
        response: RESPONSES.keyspace,
      },
    },
    async (request: OfKeyspace) => {
      const name = keyspaceName(request.params.keyspace);
      const { keyspace, noLeader } = await findKeyspace(operations, name);
      const answer = { keyspaces: [keyspace], noLeader };
      return { ...keyspacesJson(answer)[0], ...noLeaderJson(answer) };
    },
  );
  app.get(
    '/v1/keyspaces/:keyspace/versions',
    { schema: { tags, summary: 'The versions that are kept', response: RESPONSES.versions } },
    async (request: OfKeyspace) => {
      const keyspace = keyspaceName(request.params.keyspace);
      const { versions } = await operations.listVersions({ keyspace });
      return { keyspace, versions: versions.map(versionJson) };
    },
  );
  creationRoutes(app, operations);
  changeRoutes(app, operations);
  settingsRoutes(app, operations);
  suspensionRoutes(app, operations);
}

function creationRoutes(app: FastifyInstance, operations: ClusterOperations): void {
  const tags = ['keyspaces'];
  app.put(
    '/v1/keyspaces/:keyspace',
    {
      schema: {
        tags,
        summary: 'Make a dataset without a version, unless it is there',
        response: RESPONSES.createdKeyspace,
      },
    },
    async (request: OfKeyspace) => {
      const keyspace = keyspaceName(request.params.keyspace);
      const done = await operations.createKeyspace({ keyspace });
      const { clusterId, created, keyspaceUid, shardCount } = done;
      const found = { uid: keyspaceUid, shard_count: shardCount, cluster_id: clusterId };
      return { keyspace, ...found, created };
    },
  );
}

function changeRoutes(app: FastifyInstance, operations: ClusterOperations): void {
  const tags = ['keyspaces'];
  app.post(
    '/v1/keyspaces/:keyspace/rollback',
    {
      schema: {
        tags,
        summary: 'Make an earlier version current',
        body: ROLLBACK_BODY,
        response: RESPONSES.changedVersion,
      },
    },
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
  app.post(
    '/v1/keyspaces/:keyspace/promote',
    {
      schema: {
        tags,
        summary: 'Put a rejected or an older version live',
        body: PROMOTE_BODY,
        response: RESPONSES.changedVersion,
      },
    },
    async (request: FastifyRequest<{ Params: { keyspace: string }; Body: { to: number } }>) => {
      const keyspace = keyspaceName(request.params.keyspace);
      const done = await operations.promote({ keyspace, to: parseVersion(request.body.to) });
      return { keyspace, version: done.version, from: done.from };
    },
  );
  app.delete(
    '/v1/keyspaces/:keyspace/versions/:version',
    {
      schema: {
        tags,
        summary: 'Drop one version, not the current one',
        response: RESPONSES.droppedVersion,
      },
    },
    async (request: FastifyRequest<{ Params: { keyspace: string; version: string } }>) => {
      const keyspace = keyspaceName(request.params.keyspace);
      const version = parseVersion(request.params.version);
      await operations.dropVersion({ keyspace, version });
      return { keyspace, version, dropped: true };
    },
  );
}

/** Routes of a keyspace's settings, and for dropping it. */
function settingsRoutes(app: FastifyInstance, operations: ClusterOperations): void {
  const tags = ['keyspaces'];
  app.patch(
    '/v1/keyspaces/:keyspace',
    {
      schema: {
        tags,
        summary: 'How many versions and copies it has, whether its values are cached, its tier',
        body: SETTINGS_BODY,
        response: RESPONSES.settings,
      },
    },
    async (request: FastifyRequest<{ Params: { keyspace: string }; Body: Settings }>) => {
      const keyspace = keyspaceName(request.params.keyspace);
      const { cache, keep, replication, tier } = request.body;
      return {
        keyspace,
        ...(keep === undefined ? {} : await operations.setKeep({ keyspace, keep })),
        ...(cache === undefined ? {} : await operations.setCache({ keyspace, cache })),
        ...(replication === undefined
          ? {}
          : await operations.setReplication({ keyspace, replication })),
        ...(tier === undefined
          ? {}
          : setTierJson(await operations.setTier({ keyspace, tier: tierNumber(tier) }))),
      };
    },
  );
  app.delete(
    '/v1/keyspaces/:keyspace',
    {
      schema: {
        tags,
        summary: 'Drop a dataset with all its versions',
        response: RESPONSES.droppedKeyspace,
      },
    },
    async (request: OfKeyspace) => {
      const keyspace = keyspaceName(request.params.keyspace);
      await operations.dropKeyspace({ keyspace });
      return { keyspace, dropped: true };
    },
  );
}

function suspensionRoutes(app: FastifyInstance, operations: ClusterOperations): void {
  const tags = ['keyspaces'];
  app.post(
    '/v1/keyspaces/:keyspace/suspend',
    {
      schema: {
        tags,
        summary: 'Free its memory; its data stays on disk, reads say SUSPENDED',
        response: RESPONSES.suspension,
      },
    },
    async (request: OfKeyspace) => {
      const keyspace = keyspaceName(request.params.keyspace);
      await operations.suspendKeyspace({ keyspace });
      return { keyspace, suspended: true };
    },
  );
  app.post(
    '/v1/keyspaces/:keyspace/resume',
    { schema: { tags, summary: 'Bring it back into memory', response: RESPONSES.suspension } },
    async (request: OfKeyspace) => {
      const keyspace = keyspaceName(request.params.keyspace);
      await operations.resumeKeyspace({ keyspace });
      return { keyspace, suspended: false };
    },
  );
}
