// GET /v1/events: who did what, as a listing or as a stream; GET /v1/counters: the reads of all
// processes.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { visibleCounters } from '../../../access/visible.ts';
import type { ReadCounters } from '../../../proto/gen/stele/v1/counters.ts';
import { eventJson, readCountersJson } from '../../../proto/json-shapes.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import { EventStreams, wantsStream } from './event-stream.ts';
import { subjectOf } from './route-access.ts';
import { RESPONSES } from './schemas.ts';

const EVENTS_QUERY = {
  type: 'object',
  properties: {
    keyspace: { type: 'string' },
    // 1 to 10,000; queries are not coerced to numbers.
    limit: { type: 'string', pattern: '^(?:[1-9][0-9]{0,3}|10000)$', default: '100' },
    after: {
      type: 'string',
      description: 'Of a stream: the number to begin after, as in the header Last-Event-ID',
    },
  },
} as const;

type EventsRequest = FastifyRequest<{
  Querystring: { keyspace?: string; limit: string; after?: string };
}>;

/** Registers the routes. */
export function eventRoutes(
  app: FastifyInstance,
  operations: ClusterOperations,
  ownReads: () => ReadCounters,
): void {
  const streams = new EventStreams(operations);
  // Before the server waits for its open connections.
  app.addHook('preClose', (done) => {
    streams.close();
    done();
  });
  app.get(
    '/v1/events',
    {
      schema: {
        tags: ['cluster'],
        summary: 'Who did what, the newest first; with accept: text/event-stream as it happens',
        querystring: EVENTS_QUERY,
        response: RESPONSES.events,
      },
    },
    async (request: EventsRequest, reply) => {
      if (wantsStream(request)) {
        await streams.serve(request, reply);
        return reply;
      }
      const { keyspace = '', limit } = request.query;
      const { events } = await operations.listEvents({ keyspace, limit: Number(limit) });
      return { events: events.map(eventJson) };
    },
  );
  app.get(
    '/v1/counters',
    {
      schema: {
        tags: ['cluster'],
        summary: 'Reads since the start of each datanode, and of the process asked',
        response: RESPONSES.counters,
      },
    },
    async (request) => {
      const answer = { ...(await operations.readCounters()), own: ownReads() };
      return readCountersJson(visibleCounters(subjectOf(request), answer));
    },
  );
}
