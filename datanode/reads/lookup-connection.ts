// One peer's connection of the lookup protocol (proto/lookup-protocol.ts): requests in, replies out.
//
//   data -> [ request -> replies ]* -> the loop is left after a millisecond, or when the peer does not read
//
// Invariants:
//
// - Requests are answered one after the other, in their order.
// - The socket is read only while no request is left over and the output is below its limit. So what a peer
//   can make this process hold is a request that is not whole (2 MiB), a read, and some MiB of replies.
// - A peer that does not read on, or does not end a request that it has begun, is cut off within a minute.

import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { clientBytes } from '../../base/byte-budget.ts';
import { monotonicNowMs } from '../../base/clock.ts';
import { toSteleError } from '../../base/errors.ts';
import { InputBuffer } from '../../base/input-buffer.ts';
import { LoopShare } from '../../base/loop-share.ts';
import { readConnection } from '../../base/socket-reads.ts';
import { PackedWriter } from '../../proto/lookup-codec.ts';
import {
  HEAD_BYTES,
  LOOKUPS_NODE_HEADER,
  LOOKUPS_PATH,
  LOOKUPS_PROTOCOL,
  REQUEST_BYTES_MAX,
  encodeRefusal,
  frameBytes,
  readRequest,
  writeReplyHead,
} from '../../proto/lookup-protocol.ts';
import type { LookupReply, LookupRequestFrame } from '../../proto/lookup-protocol.ts';
import { endSoon } from '../../transport/upgrades.ts';
import type { Upgrade } from '../../transport/upgrades.ts';

/** Replies that a peer may leave unread before its next request is looked at. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
/** The same while the process's byte budget is full. */
const OUTPUT_BYTES_SMALL = 64 * 1024;
const TURN_MS_MAX = 1;
/** How long a peer may take nothing, or be at one request. */
const IDLE_MS_MAX = 20_000;
/** Of all lookup connections: those of the master do not wait for a thousand others. */
const share = new LoopShare();
/** One for the thread: it is empty between two replies. */
const writer = new PackedWriter(64 * 1024, HEAD_BYTES);

/** Who looks keys up. */
export interface LookupAnswerer {
  /** Throws WRONG_NODE where the peer means another node; empty: any. */
  expect(nodeId: string): void;
  /** Yields replies whose entries are in `results` of `writer`, which leaves a head free. Throws what the peer is to be told. */
  answer(request: LookupRequestFrame, into: PackedWriter): Iterator<LookupReply, void>;
  /** All replies to `request` are written, so long after the beginning of the turn in which the first was. */
  onAnswered(request: LookupRequestFrame, tookMs: number): void;
}

/** Answers lookups. */
export function lookupUpgrade(answerer: LookupAnswerer, connectionsMax: number): Upgrade {
  return {
    path: LOOKUPS_PATH,
    protocol: LOOKUPS_PROTOCOL,
    connectionsMax,
    open: (socket, headers, onClose) => new LookupConnection(socket, headers, answerer, onClose),
  };
}

class LookupConnection {
  readonly #socket: Socket;
  readonly #answerer: LookupAnswerer;
  readonly #input = new InputBuffer();
  #request: LookupRequestFrame | undefined;
  #replies: Iterator<LookupReply, void> | undefined;
  /** When the turn began in which the request was. */
  #requestMs = 0;
  #turnScheduled = false;
  /** When the request began that is not whole; 0 if there is none. */
  #unfinishedSinceMs = 0;
  #isEnded = false;
  /** As it is part of the budget. */
  #accountedBytes = 0;

  constructor(
    accepted: Socket,
    headers: IncomingHttpHeaders,
    answerer: LookupAnswerer,
    onClose: () => void,
  ) {
    this.#answerer = answerer;
    this.#socket = readConnection(accepted, (bytes, byteCount, lent) => {
      this.#onData(bytes, byteCount, lent);
    });
    this.#socket.setNoDelay(true);
    this.#socket.setTimeout(IDLE_MS_MAX);
    // Not as an argument of setTimeout, which tells of the first silence only.
    this.#socket.on('timeout', () => this.#onSilence());
    this.#socket.on('drain', () => this.#turn());
    this.#socket.on('error', () => this.close());
    this.#socket.on('end', () => this.close());
    this.#socket.on('close', () => {
      this.#isEnded = true;
      this.#account(0);
      onClose();
    });
    try {
      answerer.expect(String(headers[LOOKUPS_NODE_HEADER] ?? ''));
    } catch (thrown) {
      this.#refuse(thrown);
    }
  }

  close(): void {
    this.#isEnded = true;
    this.#socket.destroy();
  }

  /** A peer that asks for nothing is silent, too. */
  #onSilence(): void {
    if (this.#input.end > this.#input.at || this.#socket.writableLength > 0) this.close();
  }

  #onData(bytes: Buffer, byteCount: number, lent: boolean): void {
    if (this.#isEnded) return;
    this.#input.push(bytes, byteCount, lent);
    if (share.hasTime(monotonicNowMs(), byteCount)) this.#turn();
    else this.#continueLater();
    this.#noteUnfinished();
    if (lent) this.#input.keep();
  }

  /** One that comes byte by byte is never silent. */
  #noteUnfinished(): void {
    const isUnfinished = this.#request === undefined && this.#input.end > this.#input.at;
    if (!isUnfinished) return;
    const nowMs = monotonicNowMs();
    if (this.#unfinishedSinceMs === 0) this.#unfinishedSinceMs = nowMs;
    else if (nowMs - this.#unfinishedSinceMs > IDLE_MS_MAX) this.close();
  }

  #continueLater(): void {
    this.#socket.pause();
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    share.later(this, this.#input.end - this.#input.at);
  }

  /** Goes on with what has arrived; called by the queue of all such connections. */
  runTurn(): void {
    this.#turnScheduled = false;
    this.#turn();
  }

  #turn(): void {
    if (this.#isEnded || this.#turnScheduled) return;
    try {
      this.#answer();
    } catch (thrown) {
      // What a failed answer has written must not be in somebody else's.
      writer.take();
      this.#refuse(thrown);
    }
    if (this.#isEnded) return;
    this.#account(this.#socket.writableLength + this.#input.heldBytes);
    // What is not answered by now must not be overwritten.
    if (this.#request !== undefined) this.#request.keys = Buffer.from(this.#request.keys);
    const goesOn = this.#request === undefined && !this.#turnScheduled && !this.#isFull;
    if (goesOn) this.#socket.resume();
    else this.#socket.pause();
  }

  /** Notes what this peer makes the process hold. */
  #account(heldBytes: number): void {
    clientBytes.usedBytes += heldBytes - this.#accountedBytes;
    this.#accountedBytes = heldBytes;
  }

  get #isFull(): boolean {
    const max = clientBytes.isFull ? OUTPUT_BYTES_SMALL : OUTPUT_BYTES_MAX;
    return this.#socket.writableLength > max;
  }

  /** Answers until the input is dry, the peer does not take more, or the turn is over. */
  #answer(): void {
    const startMs = monotonicNowMs();
    let request: LookupRequestFrame | undefined;
    while (!this.#isFull && (request = this.#nextRequest(startMs)) !== undefined) {
      if (!this.#sendReplies()) return;
      const nowMs = monotonicNowMs();
      this.#answerer.onAnswered(request, nowMs - this.#requestMs);
      if (nowMs - startMs < TURN_MS_MAX) continue;
      return this.#continueLater();
    }
    this.#input.settle();
  }

  /** Whether all replies to the request are written; not where the peer does not take more. */
  #sendReplies(): boolean {
    for (let reply = this.#replies?.next(); reply !== undefined; reply = this.#replies?.next()) {
      if (reply.done === true) break;
      this.#send(reply.value);
      if (this.#isFull) return false;
    }
    this.#request = this.#replies = undefined;
    return true;
  }

  /** The one to answer, begun already or not. */
  #nextRequest(turnMs: number): LookupRequestFrame | undefined {
    if (this.#request !== undefined) return this.#request;
    const input = this.#input;
    const byteCount = frameBytes(input, REQUEST_BYTES_MAX);
    if (byteCount === undefined) return undefined;
    this.#request = readRequest(input.bytes, input.at, input.at + byteCount);
    this.#requestMs = turnMs;
    this.#replies = this.#answerer.answer(this.#request, writer);
    input.at += byteCount;
    this.#unfinishedSinceMs = 0;
    return this.#request;
  }

  #send({ count, first, id, results }: LookupReply): void {
    writeReplyHead(results, id, first, count);
    this.#socket.write(results);
    if (this.#socket.writableLength === 0) writer.giveBack();
  }

  #refuse(thrown: unknown): void {
    this.#isEnded = true;
    this.#request = this.#replies = undefined;
    if (this.#socket.destroyed) return;
    endSoon(this.#socket, encodeRefusal(toSteleError(thrown)));
    // What came meanwhile is read for nothing: unread it would cut the refusal off.
    this.#socket.resume();
  }
}
