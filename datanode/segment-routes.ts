// Segments over HTTP: PUT takes one from a loader (proto/segment-transfer.ts has the protocol).
//
// The body goes from the socket into the segment's own memory; it is never collected first. A sender
// that stalls is given up after IDLE_MS_MAX; the connection's timer also covers the time in which the
// segment waits for its turn, is verified and synced, so it is generous.

import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ERROR_TABLE, SteleError, toSteleError } from '../base/errors.ts';
import { INCARNATION_HEADER, NODE_HEADER, SEGMENT_ROUTE } from '../proto/segment-transfer.ts';
import type { Datanode } from './node.ts';
import type { Arrival, SegmentAnnouncement } from './receiving.ts';

const IDLE_MS_MAX = 120_000;

interface SegmentParams {
  readonly keyspaceUid: string;
  readonly segmentId: string;
}

export function addSegmentRoutes(app: FastifyInstance, node: Datanode): void {
  // Otherwise Node.js asks for the body before the route has been found.
  app.server.on('checkContinue', (request, response) => app.routing(request, response));
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // The route reads the body itself.
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.setErrorHandler((thrown, _request, reply) => sendRefusal(reply, toSteleError(thrown)));
    scope.put<{ Params: SegmentParams }>(SEGMENT_ROUTE, (request, reply) =>
      receive(node, request, reply),
    );
  });
}

async function receive(
  node: Datanode,
  request: FastifyRequest<{ Params: SegmentParams }>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { raw } = request;
  raw.socket.setTimeout(IDLE_MS_MAX);
  const arrival = await node.receiving.admit(announcementOf(request));
  const isAsking = request.headers.expect !== undefined;
  if (arrival === undefined) {
    // The body is not read, so the connection cannot be used again.
    return reply.header('connection', 'close').send({ stored: true });
  }
  try {
    if (isAsking) reply.raw.writeContinue();
    await takeBody(raw, arrival);
    await arrival.finish();
  } finally {
    arrival.abandon();
  }
  return reply.send({ stored: true });
}

function announcementOf(request: FastifyRequest<{ Params: SegmentParams }>): SegmentAnnouncement {
  const { headers, params } = request;
  const byteLength = Number(headers['content-length']);
  if (!Number.isSafeInteger(byteLength)) {
    throw new SteleError('INVALID_ARGUMENT', 'A segment needs the header content-length.');
  }
  return {
    ...params,
    byteLength,
    expectNode: headerText(headers[NODE_HEADER]),
    expectIncarnation: headerText(headers[INCARNATION_HEADER]),
  };
}

function headerText(value: string | string[] | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** Resolves at the body's end. Rejects if it is too long, breaks off or stalls. */
function takeBody(body: IncomingMessage, arrival: Arrival): Promise<void> {
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      try {
        arrival.take(chunk);
      } catch (thrown) {
        body.off('data', onData);
        reject(toSteleError(thrown));
      }
    };
    body.on('data', onData);
    body.once('end', resolve);
    body.once('error', (error) => reject(toSteleError(error)));
    body.once('close', () => reject(new SteleError('CANCELLED', 'The sender broke off.')));
  });
}

/** Bytes of the body may still be on their way: the connection ends with the answer. */
function sendRefusal(reply: FastifyReply, error: SteleError): FastifyReply {
  const status = ERROR_TABLE[error.code].http;
  return reply
    .code(status)
    .header('connection', 'close')
    .header('content-type', 'application/problem+json')
    .send(Buffer.from(JSON.stringify({ status, code: error.code, detail: error.message })));
}
