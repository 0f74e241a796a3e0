// The view that everybody goes by, and who is told of a new one.
//
// Invariant: within an epoch a view that differs from the one before has a higher revision; one that
// does not differ is not published again.

import { ClusterView } from '../proto/gen/stele/v1/view.ts';
import type { ViewSource } from '../proto/operations.ts';

export class PublishedView implements ViewSource {
  readonly #listeners = new Set<(view: ClusterView) => void>();
  #view: ClusterView;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(first: ClusterView) {
    this.#view = { ...first, revision: 1 };
  }

  current(): ClusterView {
    return this.#view;
  }

  subscribe(listener: (view: ClusterView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Publishes `next` (its revision is 0) if it says something new; true if it does. */
  offer(next: ClusterView): boolean {
    const bytes = Buffer.from(ClusterView.encode(next).finish());
    if (bytes.equals(this.#bytes)) return false;
    this.#bytes = bytes;
    this.#view = { ...next, revision: this.#view.revision + 1 };
    for (const listener of this.#listeners) listener(this.#view);
    return true;
  }
}
