// The object stores that orders name, opened once each.

import type { ObjectStore } from '../../archive/object-store.ts';
import type { StoreRef } from '../../proto/gen/stele/v1/datanode.ts';

/** Orders name the store of the cluster; loads, those that segments were built in. */
const STORES_MAX = 16;

/**
 * Opens a store. Throws INVALID_ARGUMENT for what is not one; other faults show at the first call.
 */
export type OpenObjectStore = (ref: StoreRef) => Promise<ObjectStore>;

export class ObjectStores {
  readonly #open: OpenObjectStore;
  readonly #opened = new Map<string, Promise<ObjectStore>>();

  constructor(open: OpenObjectStore) {
    this.#open = open;
  }

  /** Throws INVALID_ARGUMENT. */
  async get(ref: StoreRef): Promise<ObjectStore> {
    const name = nameOfStore(ref);
    const known = this.#opened.get(name);
    if (known !== undefined) return known;
    const [oldest] = this.#opened.keys();
    if (oldest !== undefined && this.#opened.size >= STORES_MAX) this.#forget(oldest);
    const opening = this.#open(ref);
    this.#opened.set(name, opening);
    try {
      return await opening;
    } catch (thrown) {
      this.#opened.delete(name);
      throw thrown;
    }
  }

  close(): void {
    for (const name of this.#opened.keys()) this.#forget(name);
  }

  #forget(name: string): void {
    // One that could not be opened has reported that to its caller.
    void this.#opened.get(name)?.then(
      (store) => store.close(),
      () => undefined,
    );
    this.#opened.delete(name);
  }
}

export function nameOfStore({ s3Endpoint, s3Region, url }: StoreRef): string {
  return `${url} ${s3Endpoint} ${s3Region}`;
}
