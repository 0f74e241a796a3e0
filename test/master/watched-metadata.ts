// The metadata port in the hands of a test: it sees every transaction, and can stop for good after the next
// few, as the disk of a machine does that is switched off, or hang, as one does that is out of order.

import { SteleError } from '../../base/errors.ts';
import type { Entry, Lease, Metadata, WatchEvent, Write } from '../../master/metadata/port.ts';

export class WatchedMetadata implements Metadata {
  /** How many more transactions are carried out. */
  left = Number.POSITIVE_INFINITY;
  /** Keys that were written, or (`-` before them) deleted, in their order. */
  readonly written: string[] = [];
  /** A transaction has come that was not carried out any more. */
  isStopped = false;
  /** What transactions fail with, as on a full disk. */
  refusal: SteleError | undefined;
  readonly #inner: Metadata;
  #hanging: { readonly isMade: boolean; readonly over: Promise<void> } | undefined;

  constructor(inner: Metadata) {
    this.#inner = inner;
  }

  /**
   * From now on no transaction is answered until the returned function is called: with `isMade` the store carries
   * them out before, otherwise after that. An error that is given to it is what they fail with instead.
   */
  hang({ isMade }: { readonly isMade: boolean }): (failure?: SteleError) => void {
    let end: (failure?: SteleError) => void = () => undefined;
    const over = new Promise<void>((resolve, reject) => {
      end = (failure) => {
        this.#hanging = undefined;
        if (failure === undefined) resolve();
        else reject(failure);
      };
    });
    this.#hanging = { isMade, over };
    return end;
  }

  async transaction(writes: readonly Write[]): Promise<number | undefined> {
    if (this.left <= 0) {
      this.isStopped = true;
      throw new SteleError('UNAVAILABLE', 'The machine is off.');
    }
    this.left--;
    if (this.refusal !== undefined) throw this.refusal;
    for (const { key, kind } of writes) this.written.push(kind === 'delete' ? `-${key}` : key);
    const hanging = this.#hanging;
    if (hanging?.isMade === false) await hanging.over;
    const revision = await this.#inner.transaction(writes);
    if (hanging?.isMade === true) await hanging.over;
    return revision;
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#inner.get(key);
  }

  list(prefix: string): Promise<Entry[]> {
    return this.#inner.list(prefix);
  }

  put(key: string, value: string): Promise<number> {
    return this.#inner.put(key, value);
  }

  compareAndSet(key: string, expect: number, value: string): Promise<number | undefined> {
    return this.#inner.compareAndSet(key, expect, value);
  }

  delete(key: string): Promise<boolean> {
    return this.#inner.delete(key);
  }

  watch(prefix: string, listener: (event: WatchEvent) => void): () => void {
    return this.#inner.watch(prefix, listener);
  }

  lease(name: string, ttlMs: number): Promise<Lease | undefined> {
    return this.#inner.lease(name, ttlMs);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
