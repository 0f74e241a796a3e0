// The client side of lookups over one long-lived connection to a datanode
// (proto/lookup-protocol.ts).
//
// Each batch is one message. The first batch opens the connection, and so does the next one after a
// failure. A failure ends all batches in flight at once, so that the caller's retry layer can ask
// another replica. A peer that owes replies and is silent for two seconds counts as failed, so no
// batch is kept for longer than that.
//
// States of a connection:
//
//     HEAD     waiting for the answer to the upgrade; requests are queued
//     OPEN     requests are sent, replies received
//     ENDED    final, reported once
//
// Hot path: input is not copied, except for a reply that spans two reads.

import type { Socket } from 'node:net';
import { monotonicNowMs, tickNowMs } from '../base/clock.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import { InputBuffer } from '../base/input-buffer.ts';
import { Sweeper } from '../base/sweeper.ts';
import {
  FRAME_HEAD_BYTES,
  LENGTH_BYTES,
  LOOKUPS_NODE_HEADER,
  LOOKUPS_PATH,
  LOOKUPS_PROTOCOL,
  PackedWriter,
  REPLY_FRAME_BYTES_MAX,
  frameBytes,
  readRefusal,
  readResults,
  takeRequest,
} from '../proto/lookup-protocol.ts';
import type { LinkTarget, LookupBatch, LookupChannel } from '../proto/ports.ts';
import { dial } from './dial.ts';
import type { DialIdentity } from './dial-identity.ts';
import { lentReads } from './socket-reads.ts';
import { PERHAPS_TLS, dialReason } from './tls/dial-errors.ts';
import {
  ANSWER_BYTES_MAX,
  CHANGED,
  answerStatus,
  REFUSED_LOGIN,
  peerOf,
  refusedLogin,
  refusedUpgrade,
  upgradeRequest,
} from './upgrade-request.ts';

interface SentBatch {
  readonly batch: LookupBatch;
  readonly keyCount: number;
  answered: number;
}

const DIAL_MS_MAX = 2000;
const HEAD_END = '\r\n\r\n';
const SWEEP_MS = 100;
/** Time of silence after which a peer that owes replies counts as failed. */
const SILENCE_MS_MAX = 2000;
/** Delay after a connection attempt that failed. */
const REDIAL_MS = 100;
const REQUEST_BYTES_EXPECTED = 4096;
const ID_MODULUS = 2 ** 32;

export class ConnectedLookups implements LookupChannel, LookupConnectionOwner {
  readonly #target: LinkTarget;
  readonly #peer: string;
  readonly #identity: DialIdentity;
  readonly #sent = new Map<number, SentBatch>();
  readonly #writer = new PackedWriter(REQUEST_BYTES_EXPECTED, FRAME_HEAD_BYTES);
  #connection: LookupConnection | undefined;
  /** The error and the time of the last failed attempt. */
  #failure: SteleError | undefined;
  #failedMs = 0;
  /** Since when the peer has owed replies without a pause. */
  #owesSinceMs = 0;
  #nextId = 1;
  #closed = false;
  readonly #sweeper = new Sweeper({
    intervalMs: SWEEP_MS,
    sweep: (nowMs) => this.#sweep(nowMs),
    // The peer may have answered during the stall: its silence is counted from now on.
    onStall: (nowMs) => (this.#owesSinceMs = nowMs),
  });

  constructor(target: LinkTarget, identity: DialIdentity = {}) {
    this.#target = target;
    this.#identity = identity;
    this.#peer = peerOf(target);
  }

  get failure(): SteleError | undefined {
    return this.#failure;
  }

  send(batch: LookupBatch): void {
    if (this.#closed) return batch.onFailure(this.#lost('The link was closed'));
    const connection = this.#dial();
    if (connection === undefined) {
      return batch.onFailure(this.#failure ?? this.#lost('There is no connection'));
    }
    const id = this.#nextId;
    this.#nextId = (id + 1) % ID_MODULUS;
    if (this.#sent.size === 0) this.#owesSinceMs = monotonicNowMs();
    const { keys } = batch;
    this.#sent.set(id, { batch, keyCount: keys.length, answered: 0 });
    if (connection.send(takeRequest(this.#writer, id, keys))) this.#writer.release();
    this.#sweeper.ensure();
  }

  /**
   * Whether lookups would be sent at once. If not, starts a connection attempt, now or after the
   * delay.
   */
  isConnected(): boolean {
    if (!this.#closed) this.#dial();
    return this.#connection?.isOpen === true;
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
    this.#connection = undefined;
    this.#sweeper.stop();
    this.#fail(this.#lost('The link was closed'));
  }

  onReply(
    id: number,
    first: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const sent = this.#sent.get(id);
    if (sent === undefined || first !== sent.answered) {
      throw this.#lost('An answer arrived out of order');
    }
    const { batch, keyCount } = sent;
    if (count > keyCount - first) throw this.#lost('There were more answers than requests');
    readResults(bytes, start, end, count, (_, status, valueStart, valueEnd) => {
      sent.answered++;
      batch.onAnswer(status, bytes, valueStart, valueEnd);
    });
    if (sent.answered === keyCount) this.#sent.delete(id);
  }

  onEnd(error: SteleError, wasOpen: boolean): void {
    this.#connection = undefined;
    // A connection that was open before is dialled again at once.
    const isToBeTried = wasOpen && error.code === 'UNAVAILABLE';
    this.#failure = isToBeTried ? undefined : error;
    this.#failedMs = monotonicNowMs();
    this.#fail(error);
  }

  /**
   * The connection to send on, possibly still connecting; undefined right after a failed attempt.
   */
  #dial(): LookupConnection | undefined {
    if (this.#connection !== undefined) return this.#connection;
    const isTooSoon = monotonicNowMs() - this.#failedMs < REDIAL_MS;
    if (this.#failure !== undefined && isTooSoon) return undefined;
    this.#connection = new LookupConnection(this.#target, this, this.#identity);
    return this.#connection;
  }

  #sweep(nowMs: number): boolean {
    if (this.#sent.size === 0) return false;
    const heardMs = Math.max(this.#owesSinceMs, this.#connection?.heardMs ?? 0);
    if (nowMs - heardMs > SILENCE_MS_MAX) {
      this.#connection?.giveUp(`has sent nothing for ${SILENCE_MS_MAX} ms`);
    }
    return this.#sent.size > 0;
  }

  #fail(error: SteleError): void {
    const sent = [...this.#sent.values()];
    this.#sent.clear();
    for (const { answered, batch, keyCount } of sent) {
      if (answered < keyCount) batch.onFailure(error);
    }
  }

  #lost(reason: string): SteleError {
    return new SteleError('UNAVAILABLE', `${reason} (${this.#peer}).`);
  }
}

/** Receives the events of a connection. */
interface LookupConnectionOwner {
  /**
   * Handles entries of `count` keys of request `id`, from key number `first`, in bytes[start, end).
   * The bytes are overwritten later.
   */
  onReply(
    id: number,
    first: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void;
  /** Called once at the end, with a refusal (WRONG_NODE ...) or UNAVAILABLE; not after `close`. */
  onEnd(error: SteleError, wasOpen: boolean): void;
}

class LookupConnection {
  readonly #peer: string;
  readonly #owner: LookupConnectionOwner;
  readonly #socket: Socket;
  readonly #input = new InputBuffer();
  readonly #dialing: NodeJS.Timeout;
  #waiting: Buffer[] = [];
  #isOpen = false;
  #isEnded = false;
  #heardMs = 0;

  constructor(target: LinkTarget, owner: LookupConnectionOwner, identity: DialIdentity) {
    const { host, httpPort } = target.address;
    this.#peer = peerOf(target);
    this.#owner = owner;
    const onread = lentReads((bytes, byteCount) => this.#onData(bytes, byteCount));
    this.#socket = dial(host, httpPort, { onread, tls: identity.tls });
    this.#dialing = setTimeout(() => {
      this.#fail(`did not answer within ${DIAL_MS_MAX} ms`);
    }, DIAL_MS_MAX);
    this.#socket.on('error', (thrown) => {
      this.#fail(`cannot be reached: ${dialReason(thrown)}`);
    });
    this.#socket.on('end', () => this.#fail(this.#closed('closed the connection')));
    this.#socket.on('close', () => this.#fail(this.#closed('closed the connection unexpectedly')));
    const meant = `${LOOKUPS_NODE_HEADER}: ${target.nodeId}\r\n`;
    this.#socket.write(upgradeRequest(target, LOOKUPS_PATH, LOOKUPS_PROTOCOL, identity, meant));
  }

  /** Whether requests are sent at once. */
  get isOpen(): boolean {
    return this.#isOpen && !this.#isEnded;
  }

  /** Time of the last received bytes; 0: never. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** Sends a frame. Returns whether the system has taken it, so that its memory may be reused. */
  send(frame: Buffer): boolean {
    if (!this.#isOpen) {
      this.#waiting.push(frame);
      return false;
    }
    this.#socket.write(frame);
    return this.#socket.writableLength === 0;
  }

  /**
   * Ends the connection with UNAVAILABLE. `what`: what the peer did or did not do, as a verb
   * phrase.
   */
  giveUp(what: string): void {
    this.#fail(what);
  }

  close(): void {
    this.#isEnded = true;
    clearTimeout(this.#dialing);
    this.#waiting = [];
    this.#socket.destroy();
  }

  #closed(what: string): string {
    return this.#heardMs === 0 ? PERHAPS_TLS : what;
  }

  #fail(what: string): void {
    this.#end(new SteleError('UNAVAILABLE', `The ${this.#peer} ${what}.`));
  }

  #end(error: SteleError): void {
    if (this.#isEnded) return;
    this.close();
    this.#owner.onEnd(error, this.#isOpen);
  }

  #onData(bytes: Buffer, byteCount: number): void {
    if (this.#isEnded) return;
    this.#heardMs = tickNowMs();
    this.#input.push(bytes, byteCount, true);
    try {
      if (this.#isOpen || this.#changeProtocol()) this.#readReplies();
    } catch (thrown) {
      this.#end(toSteleError(thrown));
    }
    this.#input.keep();
  }

  /** Whether the peer has switched protocols; the rest of the input is then of the new protocol. */
  #changeProtocol(): boolean {
    const { at, bytes, end } = this.#input;
    const head = bytes.toString('latin1', at, Math.min(end, at + ANSWER_BYTES_MAX));
    const headEnd = head.indexOf(HEAD_END);
    if (headEnd < 0 && head.length < ANSWER_BYTES_MAX) return false;
    const status = answerStatus(head);
    if (headEnd < 0 || status !== CHANGED) {
      if (status === REFUSED_LOGIN) this.#end(refusedLogin(this.#peer));
      else this.#fail(refusedUpgrade('lookups', LOOKUPS_PROTOCOL, status));
      return false;
    }
    this.#input.at += headEnd + HEAD_END.length;
    this.#isOpen = true;
    clearTimeout(this.#dialing);
    for (const frame of this.#waiting) this.#socket.write(frame);
    this.#waiting = [];
    return true;
  }

  #readReplies(): void {
    const input = this.#input;
    for (;;) {
      const byteCount = frameBytes(input, REPLY_FRAME_BYTES_MAX);
      if (byteCount === undefined) break;
      const { at, bytes } = input;
      const end = at + byteCount;
      input.at = end;
      const id = bytes.readUInt32LE(at + LENGTH_BYTES);
      const first = bytes.readUInt32LE(at + LENGTH_BYTES + 4);
      const count = bytes.readUInt32LE(at + LENGTH_BYTES + 8);
      const start = at + FRAME_HEAD_BYTES;
      if (count === 0) throw readRefusal(bytes, start, end, `The ${this.#peer}`);
      this.#owner.onReply(id, first, count, bytes, start, end);
      if (this.#isEnded) return;
    }
    input.settle();
  }
}
