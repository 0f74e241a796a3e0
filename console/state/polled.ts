// An answer that the page keeps up to date, for as long as something shows it.
//
// Asked as often as the most impatient of those who show it wants; rarely while the page is hidden,
// and ever more rarely while the server does not answer. An answer with an etag is sent again only
// if it has changed.

import { signal } from '@preact/signals';
import type { ReadonlySignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Problem } from '../api/problem.ts';
import { send } from '../api/request.ts';
import { pauseMs } from './pause.ts';

/** What is kept up to date at the moment. */
const shownNow = new Set<{ refresh(): void }>();

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) for (const polled of shownNow) polled.refresh();
});

export class Polled<Answer> {
  readonly #answer = signal<Answer | undefined>(undefined);
  readonly #problem = signal<Problem | undefined>(undefined);
  readonly #wanted = new Set<{ readonly everyMs: number }>();
  readonly path: string;
  #etag: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAsking = false;
  #askAgain = false;
  #failures = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** The last answer; undefined before the first. */
  get answer(): ReadonlySignal<Answer | undefined> {
    return this.#answer;
  }

  /** Why there is no newer answer; undefined if the last request was answered. */
  get problem(): ReadonlySignal<Problem | undefined> {
    return this.#problem;
  }

  /** Asks every `everyMs` until the returned function is called. */
  want(everyMs: number): () => void {
    const wish = { everyMs };
    this.#wanted.add(wish);
    shownNow.add(this);
    this.refresh();
    return () => {
      this.#wanted.delete(wish);
      if (this.#wanted.size > 0) return;
      shownNow.delete(this);
      clearTimeout(this.#timer);
    };
  }

  /** Asks now, or again if a request is on its way. */
  refresh(): void {
    clearTimeout(this.#timer);
    if (this.#isAsking) this.#askAgain = true;
    else void this.#ask();
  }

  refreshIfWanted(): void {
    if (this.#wanted.size > 0) this.refresh();
  }

  /** Forgets everything, for another user. */
  forget(): void {
    this.#answer.value = undefined;
    this.#problem.value = undefined;
    this.#etag = undefined;
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    this.#askAgain = false;
    try {
      const headers = this.#etag === undefined ? {} : { 'if-none-match': this.#etag };
      const response = await send(this.path, { headers });
      // Also of an empty body, as the browser would break off the request otherwise.
      if (response.status === 304) await response.arrayBuffer();
      else {
        this.#answer.value = (await response.json()) as Answer;
        this.#etag = response.headers.get('etag') ?? undefined;
      }
      this.#problem.value = undefined;
      this.#failures = 0;
    } catch (thrown) {
      this.#failures++;
      this.#problem.value =
        thrown instanceof Problem ? thrown : new Problem(0, 'UNKNOWN', String(thrown));
    }
    this.#isAsking = false;
    if (this.#wanted.size > 0) this.#schedule();
  }

  #schedule(): void {
    const everyMs = Math.min(...[...this.#wanted].map((wish) => wish.everyMs));
    const wait = this.#askAgain ? 0 : pauseMs(everyMs, document.hidden, this.#failures);
    this.#timer = setTimeout(() => void this.#ask(), wait);
  }
}

/** Keeps `polled` up to date while a component is shown; returns its last answer. */
export function usePolled<Answer>(polled: Polled<Answer>, everyMs: number): Answer | undefined {
  useEffect(() => polled.want(everyMs), [polled, everyMs]);
  return polled.answer.value;
}
