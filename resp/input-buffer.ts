// The bytes of a connection that are not consumed yet, in one piece.
//
//            at            end
//   |consumed|unconsumed    |free (only in a buffer of our own)     |
//
// A chunk that arrives while nothing is left over is used as it is, without a copy. Otherwise the
// rest and the chunk are joined in a buffer of our own, which doubles: a message of n bytes costs
// O(n) copying however it was cut. Memory is at most twice what was received and not consumed,
// plus one chunk. Nothing is reserved for what a header merely announces.

const EMPTY = Buffer.alloc(0);
/** A buffer of our own above this size is given back when most of it is consumed. */
const KEEP_BYTES_MAX = 1024 * 1024;

/** Unconsumed bytes are `bytes[at .. end)`; the parser moves `at`. */
export class InputBuffer {
  bytes: Buffer = EMPTY;
  at = 0;
  end = 0;
  #owned = false;
  readonly #keepsConsumed: boolean;

  /** With `keepsConsumed` bytes that were consumed are never overwritten: views of them stay right. */
  constructor(keepsConsumed = false) {
    this.#keepsConsumed = keepsConsumed;
  }

  /** Memory behind the unconsumed bytes. */
  get heldBytes(): number {
    return this.bytes.length;
  }

  /**
   * Appends `chunk`, which now belongs to this buffer. Returns by how much the unconsumed bytes
   * moved towards the front: every remembered offset shrinks by that.
   */
  push(chunk: Buffer): number {
    if (this.at === this.end) return this.#replace(chunk);
    const fits = this.#owned && this.end + chunk.length <= this.bytes.length;
    const moved = fits ? 0 : this.#makeRoom(chunk.length);
    chunk.copy(this.bytes, this.end);
    this.end += chunk.length;
    return moved;
  }

  /** Call when the parser has run dry: gives memory back. Returns the move, as `push` does. */
  settle(): number {
    if (this.at === this.end) return this.#owned ? this.#replace(EMPTY) : 0;
    const tooLarge = this.#owned && this.bytes.length > KEEP_BYTES_MAX;
    if (!tooLarge || (this.end - this.at) * 4 > this.bytes.length) return 0;
    return this.#reallocate(2 * (this.end - this.at));
  }

  #replace(chunk: Buffer): number {
    const moved = this.at;
    this.bytes = chunk;
    this.at = 0;
    this.end = chunk.length;
    this.#owned = false;
    return moved;
  }

  #makeRoom(moreBytes: number): number {
    const kept = this.end - this.at;
    // Moving to the front is paid for by the bytes that were consumed since the last move.
    const mayMove = this.#owned && !this.#keepsConsumed;
    const canMove = mayMove && kept <= this.at && kept + moreBytes <= this.bytes.length;
    if (!canMove) return this.#reallocate(2 * (kept + moreBytes));
    const moved = this.at;
    this.bytes.copyWithin(0, this.at, this.end);
    this.at = 0;
    this.end = kept;
    return moved;
  }

  #reallocate(capacityBytes: number): number {
    const target = Buffer.allocUnsafeSlow(capacityBytes);
    const moved = this.at;
    this.bytes.copy(target, 0, this.at, this.end);
    this.bytes = target;
    this.end -= moved;
    this.at = 0;
    this.#owned = true;
    return moved;
  }
}
