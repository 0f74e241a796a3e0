// Replies to GET, in the order of the commands, as they come in: bulk strings, nulls and errors of
// RESP2 and RESP3. A value is passed on as a view of the bytes received.

const CR = 13;
const LF = 10;
const DOLLAR = 36;
const MINUS = 45;
const PLUS = 43;
const UNDERSCORE = 95;

/** What a reply is; `bytes[start, end)` is the value, or the text of an error or a status. */
export type ReplyKind = 'value' | 'null' | 'error' | 'status' | 'other';
export type OnReply = (kind: ReplyKind, bytes: Buffer, start: number, end: number) => void;

export class RespReplies {
  readonly #onReply: OnReply;
  readonly #chunks: Buffer[] = [];
  #byteLength = 0;
  /** Bytes from the beginning of the next reply that are needed before it is looked at again. */
  #needed = 1;

  constructor(onReply: OnReply) {
    this.#onReply = onReply;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#byteLength += chunk.length;
    // A large value is put together once, and not for each of its chunks.
    if (this.#byteLength < this.#needed) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    let at = 0;
    this.#needed = 1;
    while (at < bytes.length) {
      const next = this.#reply(bytes, at);
      if (next < 0) break;
      at = next;
    }
    this.#chunks.length = 0;
    if (at < bytes.length) this.#chunks.push(bytes.subarray(at));
    this.#byteLength = bytes.length - at;
  }

  /** Reports the reply at `at`; returns where the next one begins, or -1 if it is not complete. */
  #reply(bytes: Buffer, at: number): number {
    const lineEnd = bytes.indexOf(LF, at);
    if (lineEnd < 0) return this.#incomplete(bytes.length - at + 1);
    const textEnd = bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    switch (bytes[at]) {
      case DOLLAR: {
        const length = numberIn(bytes, at + 1, textEnd);
        if (length < 0) {
          this.#onReply('null', bytes, 0, 0);
          return lineEnd + 1;
        }
        const end = lineEnd + 1 + length;
        if (end + 2 > bytes.length) return this.#incomplete(end + 2 - at);
        this.#onReply('value', bytes, lineEnd + 1, end);
        return end + 2;
      }
      case UNDERSCORE:
        this.#onReply('null', bytes, 0, 0);
        break;
      case MINUS:
        this.#onReply('error', bytes, at + 1, textEnd);
        break;
      case PLUS:
        this.#onReply('status', bytes, at + 1, textEnd);
        break;
      default:
        this.#onReply('other', bytes, at, textEnd);
    }
    return lineEnd + 1;
  }

  #incomplete(needed: number): number {
    this.#needed = needed;
    return -1;
  }
}

/** The decimal number in bytes[start, end); -1 for a negative one. */
function numberIn(bytes: Buffer, start: number, end: number): number {
  let number = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] ?? 0) - 48;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}
