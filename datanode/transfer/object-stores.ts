// The object stores that orders name, opened once each.

import type { ObjectStore, StoreCallOptions } from '../../archive/object-store.ts';
import type { StoreRef } from '../../proto/gen/stele/v1/datanode.ts';
import type { Arrival } from './arrival.ts';

/** Orders name the store of the cluster; loads, those that segments were built in. */
const STORES_MAX = 16;
/** Bytes of a request, for segments that do not go through memory. */
export const STORE_PIECE_BYTES: number = 4 * 1024 * 1024;

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

/**
 * Reads an object into an arrival of its length, piece by piece. Throws what the store and the arrival
 * throw.
 */
export async function readObjectInto(
  store: ObjectStore,
  name: string,
  into: Pick<Arrival, 'byteLength' | 'room' | 'filled'>,
  options: StoreCallOptions,
): Promise<void> {
  for (let start = 0; start < into.byteLength;) {
    const { room } = into;
    await store.read(name, room, start, options);
    start += room.length;
    await into.filled(room.length);
  }
}

export function nameOfStore({ s3Endpoint, s3Region, url }: StoreRef): string {
  return `${url} ${s3Endpoint} ${s3Region}`;
}
