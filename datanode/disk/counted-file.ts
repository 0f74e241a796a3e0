// An open file that is closed once nobody reads from it any more.

import type { BlockFile } from './block-source.ts';

export class CountedFile<Handle extends { close(): Promise<void> }> implements BlockFile {
  readonly path: string;
  readonly handle: Handle;
  isClosed = false;
  #users = 0;

  constructor(path: string, handle: Handle) {
    this.path = path;
    this.handle = handle;
  }

  /** A read begins; `unuse` must be called at its end. */
  use(): void {
    this.#users++;
  }

  unuse(): void {
    this.#users--;
    this.#closeIfUnused();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.isClosed && this.#users === 0) void this.handle.close().catch(() => undefined);
  }
}
