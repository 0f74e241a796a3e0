// The unconsumed bytes of a connection, in one contiguous piece.
//
//            at            end
//   |consumed|unconsumed    |free (only in an owned buffer)         |
//
// A chunk that arrives while nothing is left over is used in place, without a copy. Otherwise the
// rest and the chunk are joined in an owned buffer, which doubles: a message of n bytes costs O(n)
// copying however it was split. Memory is at most twice the received and unconsumed bytes, plus one
// chunk. Nothing is reserved for a size that a header merely announces.
//
// A chunk may be lent: then `keep` must be called before its owner uses it again.

const EMPTY = Buffer.alloc(0);
/** An owned buffer above this size is shrunk when most of it is consumed. */
const KEEP_BYTES_MAX = 1024 * 1024;

/** Unconsumed bytes are `bytes[at .. end)`; the parser advances `at`. */
export class InputBuffer {
  bytes: Buffer = EMPTY;
  at = 0;
  end = 0;
  #owned = false;
  #lent = false;
  readonly #keepsConsumed: boolean;

  /** With `keepsConsumed`, consumed bytes are never overwritten, so views of them stay valid. */
  constructor(keepsConsumed = false) {
    this.#keepsConsumed = keepsConsumed;
  }

  /** Size of the memory that holds the unconsumed bytes. */
  get heldBytes(): number {
    return this.#lent ? this.end - this.at : this.bytes.length;
  }

  /**
   * Appends the first `byteCount` bytes of `chunk`. The buffer then owns `chunk`, or, if it is
   * `lent`, uses it until `keep`. Returns by how much the unconsumed bytes moved towards the front:
   * the caller must reduce every offset it has stored by that.
   */
  push(chunk: Buffer, byteCount = chunk.length, lent = false): number {
    if (this.at === this.end) return this.#replace(chunk, byteCount, lent);
    const fits = this.#owned && this.end + byteCount <= this.bytes.length;
    const moved = fits ? 0 : this.#makeRoom(byteCount);
    chunk.copy(this.bytes, this.end, 0, byteCount);
    this.end += byteCount;
    return moved;
  }

  /** Releases a lent chunk after copying its unconsumed bytes. Returns the move, as `push` does. */
  keep(): number {
    if (!this.#lent) return 0;
    if (this.at === this.end) return this.#replace(EMPTY, 0, false);
    return this.#reallocate(this.end - this.at);
  }

  /**
   * Releases excess memory. Call it when the parser needs more input. Returns the move, as `push`
   * does.
   */
  settle(): number {
    if (this.at === this.end) return this.#owned ? this.#replace(EMPTY, 0, false) : 0;
    const tooLarge = this.#owned && this.bytes.length > KEEP_BYTES_MAX;
    if (!tooLarge || (this.end - this.at) * 4 > this.bytes.length) return 0;
    return this.#reallocate(2 * (this.end - this.at));
  }

  #replace(chunk: Buffer, byteCount: number, lent: boolean): number {
    const moved = this.at;
    this.bytes = chunk;
    this.at = 0;
    this.end = byteCount;
    this.#owned = false;
    this.#lent = lent;
    return moved;
  }

  #makeRoom(moreBytes: number): number {
    const kept = this.end - this.at;
    // Moving to the front costs no more than the bytes that were consumed since the last move.
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
    this.#lent = false;
    this.bytes = target;
    this.end -= moved;
    this.at = 0;
    this.#owned = true;
    return moved;
  }
}
