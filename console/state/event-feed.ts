// The events of the cluster as they happen: a stream if the server sends one, otherwise a poll.

import { signal as signalOf } from '@preact/signals';
import { readEventStream } from '../api/event-stream.ts';
import type { Problem } from '../api/problem.ts';
import { ask, send } from '../api/request.ts';
import type { ClusterEvent, Events } from '../api/shapes.ts';
import { mergeEvents } from './merge-events.ts';

const PATH = 'v1/events?limit=500';
const POLL_MS = 2000;
/** A stream is opened again after that time, so that a dead one is noticed. */
const STREAM_MS = 300_000;

export interface Feed {
  /** Newest first; undefined before the first answer. */
  readonly events: readonly ClusterEvent[] | undefined;
  readonly problem: Problem | undefined;
}

export const feed = signalOf<Feed>({ events: undefined, problem: undefined });

/** Keeps `feed` up to date until the returned function is called. */
export function followEvents(): () => void {
  const gone = new AbortController();
  feed.value = { events: undefined, problem: undefined };
  void follow(gone.signal);
  return () => gone.abort();
}

async function follow(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      add((await ask<Events>(PATH, { signal })).events);
      await stream(signal);
    } catch (thrown) {
      if (signal.aborted) return;
      feed.value = { ...feed.value, problem: thrown as Problem };
      if ((thrown as Problem).status === 403) return;
    }
    await new Promise((resolve) => setTimeout(resolve, document.hidden ? 15 * POLL_MS : POLL_MS));
  }
}

/**
 * Returns when the stream has ended, or has a gap that the listing must fill; at once if the server
 * does not stream.
 */
async function stream(signal: AbortSignal): Promise<void> {
  const headers = { accept: 'text/event-stream' };
  const newest = feed.value.events?.[0]?.number ?? 0;
  const path = `v1/events?after=${newest}`;
  const closed = new AbortController();
  const either = AbortSignal.any([signal, closed.signal]);
  const response = await send(path, { headers, signal: either, deadlineMs: STREAM_MS });
  const type = response.headers.get('content-type') ?? '';
  if (!type.startsWith('text/event-stream') || response.body === null) {
    add(((await response.json()) as Events).events);
    return;
  }
  try {
    await readEventStream(response.body, ({ data, event }) => {
      if (event === 'event') add([JSON.parse(data) as ClusterEvent]);
      else if (event === 'gap') closed.abort();
    });
  } catch {
    // Its time is over, or the server has gone; the next request says which.
  }
}

function add(events: readonly ClusterEvent[]): void {
  feed.value = { events: mergeEvents(feed.value.events ?? [], events), problem: undefined };
}
