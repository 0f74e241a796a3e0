// The metadata port in the hands of a test: it sees every transaction, and can stop for good after
// the next few, as the disk of a machine does that is switched off, or hang, as one does that is
// out of order.

import { SteleError } from '../../base/errors.ts';
import type { Entry, Metadata, Write } from '../../master/metadata/port.ts';

export class WatchedMetadata implements Metadata {
  /** Number of further transactions that are executed. */
  left = Number.POSITIVE_INFINITY;
  /** Keys that were written, or (with `-`) deleted, in order. */
  readonly written: string[] = [];
  /** True once a transaction has arrived that was not executed. */
  isStopped = false;
  /** The error of transactions, as on a full disk. */
  refusal: SteleError | undefined;
  readonly #inner: Metadata;
  #hanging: { readonly isMade: boolean; readonly over: Promise<void> } | undefined;

  constructor(inner: Metadata) {
    this.#inner = inner;
  }

  /**
   * From now on no transaction is answered until the returned function is called: with `isMade` the
   * store carries them out before, otherwise after that. An error that is given to it is what they
   * fail with instead.
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

  list(prefix: string): Promise<Entry[]> {
    return this.#inner.list(prefix);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
