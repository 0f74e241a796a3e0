// Reads pieces of a requested size from a stream of pieces of any size.

/** Not safe for concurrent callers. */
export class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #at = 0;
  #offset = 0;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Whether no byte is left. */
  async isAtEnd(): Promise<boolean> {
    while (this.#at === this.#piece.length) {
      const next = await this.#pieces.next();
      if (next.done === true) return true;
      this.#piece = next.value;
      this.#at = 0;
    }
    return false;
  }

  /** The next `byteCount` bytes; fewer only at the end. Valid until the next call. */
  async take(byteCount: number): Promise<Buffer> {
    if (byteCount <= this.#piece.length - this.#at) return this.#slice(byteCount);
    const parts: Buffer[] = [];
    let missing = byteCount;
    while (missing > 0 && !(await this.isAtEnd())) {
      const part = this.#slice(Math.min(missing, this.#piece.length - this.#at));
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts);
  }

  /** Discards up to `byteCount` bytes. Returns their number. */
  async skip(byteCount: number): Promise<number> {
    let missing = byteCount;
    while (missing > 0 && !(await this.isAtEnd())) {
      missing -= this.#slice(Math.min(missing, this.#piece.length - this.#at)).length;
    }
    return byteCount - missing;
  }

  #slice(byteCount: number): Buffer {
    const { buffer, byteOffset } = this.#piece;
    const part = Buffer.from(buffer, byteOffset + this.#at, byteCount);
    this.#at += byteCount;
    this.#offset += byteCount;
    return part;
  }
}
