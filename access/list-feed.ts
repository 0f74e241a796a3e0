// Keeps the list of users and roles of a process that is not the leader up to date: a view names
// the list in force by its digest, and the list itself is asked from a master.

import { sleep } from '../base/clock.ts';
import { toSteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { AccessList } from '../proto/gen/stele/v1/access.ts';
import type { Access } from './access.ts';

const RETRY_MS = 250;

export interface ListFeedOptions {
  readonly access: Access;
  /** Asks a master. */
  readonly fetch: () => Promise<AccessList>;
  readonly log: Logger;
  /** Called with each new list. */
  readonly onList?: (list: AccessList) => void;
}

export class ListFeed {
  readonly #options: ListFeedOptions;
  readonly #closing = new AbortController();
  #wanted = '';
  #isFetching = false;

  constructor(options: ListFeedOptions) {
    this.#options = options;
  }

  /** `digest`: that of the present view; undefined if there are no users and no roles. */
  want(digest: string | undefined): void {
    this.#wanted = digest ?? '';
    if (this.#isCurrent || this.#isFetching) return;
    this.#isFetching = true;
    void this.#fetch();
  }

  close(): void {
    this.#closing.abort();
  }

  get #isCurrent(): boolean {
    return this.#options.access.digest === this.#wanted;
  }

  /** Never rejects. While no master answers, the list before stays in force. */
  async #fetch(): Promise<void> {
    const { access, fetch, log, onList } = this.#options;
    const { signal } = this.#closing;
    while (!this.#isCurrent && !signal.aborted) {
      try {
        const list = await fetch();
        access.update(list);
        onList?.(list);
      } catch (thrown) {
        const { code, message } = toSteleError(thrown);
        log.debug({ code }, `the users and roles cannot be asked: ${message}`);
      }
      // The master that answered may have a newer list than the view, or an older one.
      if (!this.#isCurrent) await sleep(RETRY_MS, signal);
    }
    this.#isFetching = false;
  }
}
