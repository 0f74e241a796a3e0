// Events in memory, listed and waited for as a leader does.

import type {
  Event,
  ListEventsRequest,
  ListEventsResponse,
} from '../../../proto/gen/stele/v1/cluster.ts';

export class EventLog {
  readonly #waiting = new Set<() => void>();
  /** Thrown by the next questions, while it is set. */
  error: Error | undefined;
  events: Event[] = [];

  add(number: number, keyspace = 'default'): void {
    const of = { keyspace, node: '', load: '', from: '1', to: '2', reason: '' };
    const by = { door: 'http', address: '127.0.0.1', who: '' };
    const at = '2026-01-01T00:00:00.000Z';
    this.events.push({ number, at, what: 'rollback', ...of, ...by });
    this.wake();
  }

  wake(): void {
    for (const end of this.#waiting) end();
  }

  async list(request: ListEventsRequest, signal?: AbortSignal): Promise<ListEventsResponse> {
    const { after, keyspace, limit, waitMs = 0 } = request;
    if (this.error !== undefined) throw this.error;
    if (waitMs > 0 && (this.events.at(-1)?.number ?? 0) === after) {
      await new Promise<void>((resolve) => {
        const end = (): void => {
          this.#waiting.delete(end);
          resolve();
        };
        this.#waiting.add(end);
        signal?.addEventListener('abort', end, { once: true });
      });
    }
    if (this.error !== undefined) throw this.error;
    const found = this.events
      .filter(({ number }) => number > (after ?? 0))
      .filter((event) => keyspace === '' || event.keyspace === keyspace);
    return {
      events: (after === undefined ? found.toReversed() : found).slice(0, limit),
      oldest: this.events[0]?.number ?? 0,
      newest: this.events.at(-1)?.number ?? 0,
    };
  }
}
