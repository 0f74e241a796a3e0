// Reads over HTTP: one value, many values, and the older `GET /get`.

import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SteleError } from '../../../base/errors.ts';
import { version as parseVersion } from '../../../base/ids.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import { LOOKUP_KEYS_MAX } from '../../../base/limits.ts';
import { checkKeyLength, tooManyKeys } from '../lookup/lookup-core.ts';
import type { LookupCore, LookupOutcome } from '../lookup/lookup-core.ts';
import { tracedGet, tracedLookup } from '../lookup/traced-lookup.ts';
import type { FrontMetrics } from '../metrics.ts';
import { sendProblem } from './problem.ts';
import { keyOfUrl, queryBytes } from './raw-url.ts';
import { RESPONSES, queryOf } from './schemas.ts';
import { HttpValueReply } from './value-reply.ts';

const KEYSPACE_DEFAULT = 'default';
/**
 * Total size of the values in one JSON response, which may take six times as much. Single values
 * have no such limit.
 */
const JSON_VALUE_BYTES_MAX = 16 * 1024 * 1024;

const VALUE_ROUTE = '/v1/keyspaces/:keyspace/keys/:key';
const LOOKUP_ROUTE = '/v1/keyspaces/:keyspace/lookup';
const OLDER_ROUTE = '/get';

const TAGS = ['values'];

/** The routes that read values. */
export const READ_ROUTES: ReadonlySet<string> = new Set([VALUE_ROUTE, LOOKUP_ROUTE, OLDER_ROUTE]);

type Encoding = 'utf8' | 'base64';

interface LookupBody {
  readonly keys: readonly string[];
  readonly encoding?: Encoding;
  readonly version?: number;
}

const LOOKUP_BODY = {
  type: 'object',
  required: ['keys'],
  additionalProperties: false,
  properties: {
    keys: { type: 'array', items: { type: 'string' }, description: 'At most 10,000' },
    encoding: { type: 'string', enum: ['utf8', 'base64'], default: 'utf8' },
    version: { type: 'integer', minimum: 1 },
  },
} as const;

export interface ReadRoutesOptions {
  readonly core: LookupCore;
  readonly metrics: FrontMetrics;
}

type ValueRequest = FastifyRequest<{
  Params: { keyspace: string };
  Querystring: { version?: string };
}>;

/** Registers the routes that read values. */
export function readRoutes(app: FastifyInstance, options: ReadRoutesOptions): void {
  valueRoute(app, options);
  lookupRoute(app, options);
  olderRoute(app, options);
}

function valueRoute(app: FastifyInstance, { core, metrics }: ReadRoutesOptions): void {
  app.get(
    VALUE_ROUTE,
    {
      schema: {
        tags: TAGS,
        summary: 'The bytes of one value; the key is percent-encoded, any bytes can be sent',
        querystring: queryOf({ version: 'A kept version; without it the current one' }),
        response: RESPONSES.value,
      },
    },
    (request: ValueRequest, reply: FastifyReply) => {
      const { keyspace } = request.params;
      const target = core.target(keyspace, wantedVersion(request.query.version));
      const key = keyOfUrl(request.originalUrl);
      checkKeyLength(key.length);
      reply.hijack();
      const { raw, id } = request;
      const receiver = new HttpValueReply(raw, reply.raw, id, target, key, metrics.http);
      tracedGet(core, keyspace, target, key, receiver);
    },
  );
}

function lookupRoute(app: FastifyInstance, { core, metrics }: ReadRoutesOptions): void {
  app.post(
    LOOKUP_ROUTE,
    {
      schema: {
        tags: TAGS,
        summary: 'Many values of one version',
        body: LOOKUP_BODY,
        response: RESPONSES.lookup,
      },
    },
    async (request: FastifyRequest<{ Params: { keyspace: string }; Body: LookupBody }>) => {
      const { keys, encoding = 'utf8', version = 0 } = request.body;
      const beganMs = performance.now();
      if (keys.length > LOOKUP_KEYS_MAX) throw tooManyKeys(keys.length);
      const bytes = keys.map((key) => decodeKey(key, encoding));
      const outcome = await tracedLookup(core, request.params.keyspace, bytes, {
        version,
        valueBytesMax: JSON_VALUE_BYTES_MAX,
      });
      countOutcome(metrics, outcome, performance.now() - beganMs);
      return {
        version: outcome.target.version,
        results: keys.map((key, index) => resultJson(key, outcome, index, encoding)),
      };
    },
  );
}

function olderRoute(app: FastifyInstance, { core, metrics }: ReadRoutesOptions): void {
  app.get(
    OLDER_ROUTE,
    {
      schema: {
        tags: TAGS,
        summary: 'One value as JSON: ?keyspace=KS&key=K',
        querystring: queryOf({ keyspace: 'Without it: default', key: 'Percent-encoded' }),
        response: RESPONSES.legacyValue,
      },
    },
    async (request, reply) => {
      const key = queryBytes(request.originalUrl, 'key');
      if (key === undefined) {
        throw new SteleError('INVALID_ARGUMENT', 'Say which key: /get?keyspace=KS&key=K.');
      }
      const keyspace = queryBytes(request.originalUrl, 'keyspace')?.toString('utf8');
      const beganMs = performance.now();
      const outcome = await tracedLookup(core, keyspace ?? KEYSPACE_DEFAULT, [key]);
      countOutcome(metrics, outcome, performance.now() - beganMs);
      return legacyReply(reply, outcome);
    },
  );
}

function wantedVersion(text: string | undefined): number {
  return text === undefined ? 0 : parseVersion(text);
}

function decodeKey(key: string, encoding: Encoding): Buffer {
  if (encoding === 'utf8') {
    if (key.isWellFormed()) return Buffer.from(key, 'utf8');
    throw new SteleError(
      'INVALID_ARGUMENT',
      'A key has half a surrogate pair, which UTF-8 cannot encode; send its bytes as base64.',
    );
  }
  const bytes = Buffer.from(key, 'base64');
  // Buffer ignores characters outside base64; a silently shortened key would be "not found".
  if (bytes.toString('base64').replace(/=+$/, '') === key.replace(/=+$/, '')) return bytes;
  throw new SteleError('INVALID_ARGUMENT', 'A key is not base64 (RFC 4648, standard alphabet).');
}

function resultJson(
  key: string,
  outcome: LookupOutcome,
  index: number,
  encoding: Encoding,
): Record<string, unknown> {
  const value = outcome.values[index];
  if (value === undefined) return { key, status: statusWord(outcome.statuses[index]), value: null };
  if (encoding === 'base64') return { key, status: 'OK', value: value.toString('base64') };
  if (isUtf8(value)) return { key, status: 'OK', value: value.toString('utf8') };
  // The encoding is sent beside the value, because a replacement character would be a wrong value.
  return { key, status: 'OK', value: value.toString('base64'), encoding: 'base64' };
}

function statusWord(status: LookupStatus | undefined): string {
  if (status === LookupStatus.OK) return 'OK';
  return status === LookupStatus.NOT_FOUND ? 'NOT_FOUND' : 'UNAVAILABLE';
}

function legacyReply(reply: FastifyReply, outcome: LookupOutcome): unknown {
  const [status] = outcome.statuses;
  const [value] = outcome.values;
  if (status === LookupStatus.NOT_FOUND) {
    return reply.code(404).send({ status: 'NOT_FOUND', value: null });
  }
  if (value === undefined) {
    return sendProblem(
      reply,
      outcome.failure ?? new SteleError('UNAVAILABLE', 'No replica answered.'),
    );
  }
  void reply.header('x-stele-version', String(outcome.target.version));
  return { status: 'SUCCESS', value: value.toString('utf8') };
}

function countOutcome(metrics: FrontMetrics, outcome: LookupOutcome, tookMs: number): void {
  metrics.http.latency.record(tookMs);
  for (const status of outcome.statuses) {
    if (status === LookupStatus.OK) metrics.http.found++;
    else if (status === LookupStatus.NOT_FOUND) metrics.http.notFound++;
    else metrics.http.failed++;
  }
}
