// GET /v1/keyspaces/{ks}/diff?from=A&to=B&samples=N: the difference between two versions, as JSON.
//
// Keys and values of samples are text; with ?encoding=base64 they are base64, for data that is not
// UTF-8.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName, shorten, version as parseVersion } from '../../../base/ids.ts';
import { DIFF_SAMPLES_MAX } from '../../../base/limits.ts';
import { diffJson } from '../../../proto/content-json.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import { RESPONSES, queryOf } from './schemas.ts';

const SAMPLES_DEFAULT = 10;
/** A diff reads many shards. It ends when the client disconnects. */
const TIMEOUT_MS = 600_000;

interface DiffQuery {
  readonly from?: string;
  readonly to?: string;
  readonly samples?: string;
  readonly encoding?: string;
}

type DiffRequest = FastifyRequest<{ Params: { keyspace: string }; Querystring: DiffQuery }>;

export function diffRoute(app: FastifyInstance, operations: ClusterOperations): void {
  app.get(
    '/v1/keyspaces/:keyspace/diff',
    {
      schema: {
        tags: ['keyspaces'],
        summary: 'Added, removed and changed keys between two versions: ?from=1&to=2&samples=10',
        querystring: queryOf({
          from: 'A kept version',
          to: 'A kept version; without it the current one',
          samples: 'How many changed keys to give as well; 10',
          encoding: 'utf8 or base64: how samples are written',
        }),
        response: RESPONSES.diff,
      },
    },
    (request: DiffRequest, reply) => diff(operations, request, reply),
  );
}

async function diff(
  operations: ClusterOperations,
  request: DiffRequest,
  reply: FastifyReply,
): Promise<object> {
  const { encoding = 'utf8', from, samples, to } = request.query;
  const keyspace = keyspaceName(request.params.keyspace);
  if (from === undefined) {
    throw new SteleError('INVALID_ARGUMENT', 'Say which versions to compare: ?from=1&to=2.');
  }
  if (encoding !== 'utf8' && encoding !== 'base64') {
    throw new SteleError('INVALID_ARGUMENT', `encoding '${shorten(encoding)}' is not known.`);
  }
  const gone = new AbortController();
  reply.raw.setTimeout(TIMEOUT_MS);
  reply.raw.once('close', () => gone.abort());
  const answer = await operations.diffVersions(
    {
      keyspace,
      from: parseVersion(from),
      to: to === undefined ? 0 : parseVersion(to),
      samplesMax: samplesOf(samples),
    },
    gone.signal,
  );
  return diffJson(keyspace, answer, encoding);
}

function samplesOf(text: string | undefined): number {
  if (text === undefined) return SAMPLES_DEFAULT;
  if (/^[0-9]{1,6}$/.test(text) && Number(text) <= DIFF_SAMPLES_MAX) return Number(text);
  throw new SteleError(
    'INVALID_ARGUMENT',
    `samples is '${shorten(text)}'; it must be a number from 0 to ${DIFF_SAMPLES_MAX}.`,
  );
}
