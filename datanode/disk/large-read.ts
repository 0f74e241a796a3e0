// A read that is larger than a slot of the reading threads: its parts are copied together.

import type { SteleError } from '../../base/errors.ts';
import type { BlockReceiver } from './block-source.ts';
import { SLOT_BYTES } from './read-ring.ts';

export class LargeRead {
  readonly #bytes: Buffer;
  readonly #crcs: Uint32Array;
  readonly #blockBytes: number;
  readonly #receiver: BlockReceiver;
  readonly #onEnd: () => void;
  #partsLeft: number;
  #failure: SteleError | undefined;

  /** `onEnd` is called once all parts have ended. */
  constructor(length: number, blockBytes: number, receiver: BlockReceiver, onEnd: () => void) {
    this.#bytes = Buffer.allocUnsafeSlow(length);
    this.#crcs = new Uint32Array(Math.ceil(length / blockBytes));
    this.#blockBytes = blockBytes;
    this.#receiver = receiver;
    this.#onEnd = onEnd;
    this.#partsLeft = Math.ceil(length / SLOT_BYTES);
  }

  /** The receiver of the part that begins `partAt` bytes after the start. */
  part(partAt: number): BlockReceiver {
    return {
      onBlocks: (bytes, at, crcs, crcAt) => {
        const length = Math.min(SLOT_BYTES, this.#bytes.length - partAt);
        bytes.copy(this.#bytes, partAt, at, at + length);
        const first = partAt / this.#blockBytes;
        for (let block = 0; block * this.#blockBytes < length; block++) {
          this.#crcs[first + block] = crcs[crcAt + block] ?? 0;
        }
        this.#partEnded();
      },
      onReadFailed: (error) => {
        this.#failure ??= error;
        this.#partEnded();
      },
    };
  }

  #partEnded(): void {
    if (--this.#partsLeft > 0) return;
    this.#onEnd();
    if (this.#failure !== undefined) this.#receiver.onReadFailed(this.#failure);
    else this.#receiver.onBlocks(this.#bytes, 0, this.#crcs, 0);
  }
}
