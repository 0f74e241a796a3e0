// Serves one connection of the lookup protocol (proto/lookup-protocol.ts): requests in, replies
// out.
//
//   data -> [ request -> replies ]* -> yields after a millisecond, or when the peer does not read
//
// Invariants:
//
// - Requests whose keys are in memory are answered one after the other, in order; one with keys on
//   disk may be answered after later ones.
// - The socket is read only while no request is pending, the output is below its limit, and few
//   requests wait for the disk. So a peer can make this process hold an incomplete request (2 MiB),
//   one read, some MiB of replies, and LATE_MAX requests with about a MiB of values each.
// - A peer that stops reading, or does not complete a request, is disconnected within a minute.

import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { clientBytes } from '../../base/byte-budget.ts';
import { monotonicNowMs } from '../../base/clock.ts';
import { toSteleError } from '../../base/errors.ts';
import { InputBuffer } from '../../base/input-buffer.ts';
import { LoopShare } from '../../base/process/loop-share.ts';
import { readConnection } from '../../transport/socket-reads.ts';
import {
  FRAME_HEAD_BYTES,
  LOOKUPS_NODE_HEADER,
  LOOKUPS_PATH,
  LOOKUPS_PROTOCOL,
  PackedWriter,
  REQUEST_BYTES_MAX,
  encodeRefusal,
  frameBytes,
  readRequest,
  writeReplyHead,
} from '../../proto/lookup-protocol.ts';
import type { LookupReply, LookupRequestFrame } from '../../proto/lookup-protocol.ts';
import type { Subject } from '../../access/subject.ts';
import { endSoon } from '../../transport/upgrades.ts';
import type { Peer, Upgrade } from '../../transport/upgrades.ts';

/** Limit of replies that a peer may leave unread before its next request is read. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
/** The same limit while the byte budget of the process is exhausted. */
const OUTPUT_BYTES_SMALL = 64 * 1024;
const TURN_MS_MAX = 1;
/** Requests of one peer that may wait for the disk. */
const LATE_MAX = 64;
/** How long a peer may read nothing, or take to complete a request. */
const IDLE_MS_MAX = 20_000;
/**
 * Shared by all lookup connections, so that those of the master do not wait for a thousand others.
 */
const share = new LoopShare();
/** One per thread, because it is empty between two replies. */
const writer = new PackedWriter(64 * 1024, FRAME_HEAD_BYTES);

/** A request that is being answered from disk. */
interface LateAnswer {
  goOn(): void;
  /** Nobody waits for it any more. */
  drop(): void;
}

/** Performs the lookups. */
export interface LookupAnswerer {
  /** Throws WRONG_NODE if the peer means another node; an empty string means any. */
  expect(nodeId: string): void;
  /**
   * Yields replies whose entries are in `results` of `writer`, which leaves a head free. What it
   * throws is reported to the peer. `subject` is the peer, with --auth on.
   */
  answer(
    request: LookupRequestFrame,
    into: PackedWriter,
    subject?: Subject,
  ): Iterator<LookupReply, void>;
  /**
   * Answers a request with keys on disk as they are read: replies go to `send`, which returns whether
   * the peer reads, and `onEnd` is called after the last. `goOn` begins, and goes on after a `send`
   * that returned false. Undefined if all keys are in memory. Throws like `answer`.
   */
  answerLate?(
    request: LookupRequestFrame,
    send: (reply: LookupReply) => boolean,
    onEnd: () => void,
    subject?: Subject,
  ): LateAnswer | undefined;
  /**
   * Called when all replies to `request` are written, with the time since the start of the turn in
   * which the first one was.
   */
  onAnswered(request: LookupRequestFrame, tookMs: number): void;
}

/** Answers lookups. */
export function lookupUpgrade(answerer: LookupAnswerer, connectionsMax: number): Upgrade {
  return {
    path: LOOKUPS_PATH,
    protocol: LOOKUPS_PROTOCOL,
    door: 'lookup',
    connectionsMax,
    open: (socket, headers, onClose, peer) =>
      new LookupServerConnection(socket, headers, answerer, onClose, peer),
  };
}

class LookupServerConnection {
  readonly #socket: Socket;
  readonly #answerer: LookupAnswerer;
  readonly #peer: Peer;
  readonly #input = new InputBuffer();
  #request: LookupRequestFrame | undefined;
  #replies: Iterator<LookupReply, void> | undefined;
  /** Requests that are being answered from disk. */
  readonly #late = new Set<LateAnswer>();
  /** Start of the turn in which the request was begun. */
  #requestMs = 0;
  #turnScheduled = false;
  /** When the incomplete request began; 0 if there is none. */
  #unfinishedSinceMs = 0;
  #isEnded = false;
  /** Bytes counted in the budget for this connection. */
  #accountedBytes = 0;

  constructor(
    accepted: Socket,
    headers: IncomingHttpHeaders,
    answerer: LookupAnswerer,
    onClose: () => void,
    peer: Peer,
  ) {
    this.#answerer = answerer;
    this.#peer = peer;
    this.#socket = readConnection(accepted, (bytes, byteCount, lent) => {
      this.#onData(bytes, byteCount, lent);
    });
    this.#socket.setNoDelay(true);
    this.#socket.setTimeout(IDLE_MS_MAX);
    // Not as an argument of setTimeout, which would report only the first silence.
    this.#socket.on('timeout', () => this.#onSilence());
    this.#socket.on('drain', () => {
      for (const late of this.#late) late.goOn();
      this.#turn();
    });
    this.#socket.on('error', () => this.close());
    this.#socket.on('end', () => this.close());
    this.#socket.on('close', () => {
      this.#isEnded = true;
      this.#dropLate();
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
    this.#dropLate();
    this.#socket.destroy();
  }

  #dropLate(): void {
    for (const late of this.#late) late.drop();
    this.#late.clear();
  }

  /** An idle peer without a request is silent too, and stays connected. */
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

  /** Starts the clock of an incomplete request: a peer that sends byte by byte is never silent. */
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

  /** Continues with the input; called by the queue of all lookup connections. */
  runTurn(): void {
    this.#turnScheduled = false;
    this.#turn();
  }

  #turn(): void {
    if (this.#isEnded || this.#turnScheduled) return;
    try {
      this.#answer();
    } catch (thrown) {
      // Bytes of a failed answer must not end up in another reply.
      writer.take();
      this.#refuse(thrown);
    }
    if (this.#isEnded) return;
    this.#account(this.#socket.writableLength + this.#input.heldBytes);
    // The input buffer may be overwritten, so unanswered keys are copied.
    if (this.#request !== undefined) this.#request.keys = Buffer.from(this.#request.keys);
    const goesOn = this.#request === undefined && !this.#turnScheduled && !this.#isFull;
    if (goesOn) this.#socket.resume();
    else this.#socket.pause();
  }

  /** Accounts for the bytes that this peer makes the process hold. */
  #account(heldBytes: number): void {
    clientBytes.usedBytes += heldBytes - this.#accountedBytes;
    this.#accountedBytes = heldBytes;
  }

  get #isFull(): boolean {
    const max = clientBytes.isFull ? OUTPUT_BYTES_SMALL : OUTPUT_BYTES_MAX;
    return this.#socket.writableLength > max || this.#late.size >= LATE_MAX;
  }

  /** Answers until the input is empty, the peer does not read, or the turn is over. */
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

  /** Returns whether all replies to the request are written; false if the peer does not read. */
  #sendReplies(): boolean {
    for (let reply = this.#replies?.next(); reply !== undefined; reply = this.#replies?.next()) {
      if (reply.done === true) break;
      this.#send(reply.value);
      if (this.#isFull) return false;
    }
    this.#request = this.#replies = undefined;
    return true;
  }

  /** The request to answer: the one in progress, or else the next that is not answered later. */
  #nextRequest(turnMs: number): LookupRequestFrame | undefined {
    if (this.#request !== undefined) return this.#request;
    const input = this.#input;
    for (;;) {
      const byteCount = this.#isFull ? undefined : frameBytes(input, REQUEST_BYTES_MAX);
      if (byteCount === undefined) return undefined;
      const request = readRequest(input.bytes, input.at, input.at + byteCount);
      this.#unfinishedSinceMs = 0;
      const isLate = this.#answerLate(request);
      input.at += byteCount;
      if (isLate) continue;
      this.#request = request;
      this.#requestMs = turnMs;
      this.#replies = this.#answerer.answer(request, writer, this.#peer.subject);
      return request;
    }
  }

  /** Returns false if all keys of the request are in memory. */
  #answerLate(request: LookupRequestFrame): boolean {
    const late = this.#answerer.answerLate?.(
      request,
      (reply) => {
        this.#send(reply);
        return !this.#isFull;
      },
      () => {
        if (late !== undefined) this.#late.delete(late);
        if (!this.#isEnded) this.#settleSoon();
      },
      this.#peer.subject,
    );
    if (late === undefined) return false;
    this.#late.add(late);
    late.goOn();
    return true;
  }

  /** Reads on, if it was the number of late answers that kept this connection from it. */
  #settleSoon(): void {
    if (this.#late.size === LATE_MAX - 1) process.nextTick(() => this.#turn());
    else this.#account(this.#socket.writableLength + this.#input.heldBytes);
  }

  #send({ count, first, id, results }: LookupReply): void {
    writeReplyHead(results, id, first, count);
    this.#socket.write(results);
    if (this.#socket.writableLength === 0) writer.release();
  }

  #refuse(thrown: unknown): void {
    this.#peer.onError(thrown);
    this.#isEnded = true;
    this.#dropLate();
    this.#request = this.#replies = undefined;
    if (this.#socket.destroyed) return;
    endSoon(this.#socket, encodeRefusal(toSteleError(thrown)));
    // Input is read and discarded, because unread input would reset the connection and lose the
    // refusal.
    this.#socket.resume();
  }
}
