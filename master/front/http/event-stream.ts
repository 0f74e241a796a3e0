// GET /v1/events with `accept: text/event-stream`: each event as it happens, as server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
//   id: 17                        the first thing sent: where the stream begins
//
//   id: 18
//   event: event
//   data: {"number":18,...}       the same JSON as in the listing
//
//   id: 40
//   event: gap
//   data: {"missed":12}           events that are no longer kept; or {"missed":null}: the catalog is an
//                                 older copy, and its numbers begin again after the id
//
//   : waiting                     at least every 15 s
//
// `Last-Event-ID` (or ?after=) resumes after that number. Each stream asks for the next page of
// events only when its client has taken the one before, so nothing is queued. While nobody leads,
// streams stay open.

import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { unwatchAbort, watchAbort } from '../../../base/abort.ts';
import { sleep } from '../../../base/clock.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import { eventJson } from '../../../proto/json-shapes.ts';
import { nextEvents } from '../../../proto/next-events.ts';
import type { NextEvents } from '../../../proto/next-events.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import { subjectOf } from './route-access.ts';

const STREAMS_MAX = 100;
const WAIT_MS = 15_000;
const RETRY_MS = 1_000;
/** How long a client may leave what it was sent unread. */
const UNREAD_MS_MAX = 60_000;

type EventsRequest = FastifyRequest<{ Querystring: { keyspace?: string; after?: string } }>;

/** Whether the client asks for a stream. */
export function wantsStream({ headers, method }: FastifyRequest): boolean {
  return method === 'GET' && /\btext\/event-stream\b/i.test(headers.accept ?? '');
}

/** The open streams of one port. */
export class EventStreams {
  readonly #operations: Pick<ClusterOperations, 'listEvents'>;
  readonly #closing = new AbortController();
  readonly #streamsMax: number;
  #open = 0;

  constructor(operations: Pick<ClusterOperations, 'listEvents'>, streamsMax = STREAMS_MAX) {
    this.#operations = operations;
    this.#streamsMax = streamsMax;
  }

  /**
   * Answers the request with a stream, which ends with its client, its user's right to it, or
   * `close`. Throws INVALID_ARGUMENT, KEYSPACE_NOT_FOUND and OVERLOADED before anything is sent.
   */
  async serve(request: EventsRequest, reply: FastifyReply): Promise<void> {
    const { after = '', keyspace = '' } = request.query;
    const resumed = numberOf(request.headers['last-event-id']?.toString() ?? after);
    const { newest } = await this.#operations.listEvents({ keyspace, limit: 1 });
    if (this.#open >= this.#streamsMax) {
      const text = `${this.#streamsMax} clients follow the events already; try again later.`;
      throw new SteleError('OVERLOADED', text);
    }
    reply.hijack();
    this.#open++;
    const gone = new AbortController();
    const { raw } = reply;
    const end = (): void => gone.abort();
    raw.once('close', end);
    watchAbort(this.#closing.signal, end);
    try {
      const isLet = (): boolean => subjectOf(request)?.isLive !== false;
      raw.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
        // Otherwise a server that closes would wait for the connection of a stream that it has
        // ended.
        connection: 'close',
      });
      await this.#run(raw, { after: resumed ?? newest, keyspace }, isLet, gone.signal);
    } finally {
      unwatchAbort(this.#closing.signal, end);
      this.#open--;
      raw.end();
    }
  }

  async #run(
    raw: ServerResponse,
    from: { readonly after: number; readonly keyspace: string },
    isLet: () => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    let { after } = from;
    await taken(raw, `retry: ${RETRY_MS}\nid: ${after}\n\n`, signal);
    while (!signal.aborted && isLet()) {
      const next = await this.#next({ ...from, after }, signal);
      if (next === undefined) {
        await taken(raw, ': nobody can be asked at the moment\n\n', signal);
        await sleep(RETRY_MS, signal);
      } else if (isLet()) {
        after = next.after;
        await taken(raw, textOf(next), signal);
      }
    }
  }

  /** Undefined if nobody can be asked at the moment. */
  async #next(
    from: { readonly after: number; readonly keyspace: string },
    signal: AbortSignal,
  ): Promise<NextEvents | undefined> {
    try {
      const list = this.#operations.listEvents.bind(this.#operations);
      return await nextEvents(list, { ...from, waitMs: WAIT_MS }, signal);
    } catch (thrown) {
      const error = toSteleError(thrown);
      // A keyspace may be forgotten, with its last event.
      if (error.retryable || error.code === 'CANCELLED') return undefined;
      if (error.code === 'KEYSPACE_NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** Ends all streams, and those that are begun later. */
  close(): void {
    this.#closing.abort();
  }
}

function numberOf(text: string): number | undefined {
  if (text === '') return undefined;
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is not the number of an event; resume with the last id of the stream.`,
  );
}

function textOf({ after, events, isOlderCopy, missed }: NextEvents): string {
  const parts: string[] = [];
  if (isOlderCopy) parts.push(message(after, 'gap', { missed: null }));
  if (missed > 0) parts.push(message((events[0]?.number ?? after + 1) - 1, 'gap', { missed }));
  for (const event of events) parts.push(message(event.number, 'event', eventJson(event)));
  // The id alone: where to resume, though nothing of what was asked for has happened.
  parts.push(events.at(-1)?.number === after ? '' : `id: ${after}\n: waiting\n\n`);
  return parts.join('');
}

function message(id: number, name: string, data: object): string {
  return `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Writes `text`; resolves when the client has taken it, and cuts one that does not. */
async function taken(raw: ServerResponse, text: string, signal: AbortSignal): Promise<void> {
  if (signal.aborted || raw.write(text)) return;
  await new Promise<void>((resolve) => {
    const cut = setTimeout(() => raw.destroy(), UNREAD_MS_MAX);
    const end = (): void => {
      clearTimeout(cut);
      raw.off('drain', end);
      signal.removeEventListener('abort', end);
      resolve();
    };
    raw.once('drain', end);
    signal.addEventListener('abort', end, { once: true });
  });
}
