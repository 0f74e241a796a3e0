// One connection of the lookup protocol, from the asking side (lookup-protocol.ts).
//
//     HEAD     the answer to the change of protocol is read; what is sent waits
//     OPEN     requests go out, replies come in
//     ENDED    for good, told once
//
// Hot: what is read is not copied but where a reply ends in a later read.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { turnNowMs } from '../base/clock.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import { InputBuffer } from '../base/input-buffer.ts';
import { lentReads } from '../base/socket-reads.ts';
import {
  HEAD_BYTES,
  LENGTH_BYTES,
  LOOKUPS_NODE_HEADER,
  LOOKUPS_PATH,
  LOOKUPS_PROTOCOL,
  REPLY_BYTES_MAX,
  frameBytes,
  readRefusal,
} from '../proto/lookup-protocol.ts';
import type { LinkTarget } from '../proto/ports.ts';
import {
  ANSWER_BYTES_MAX,
  CHANGED,
  answerStatus,
  peerOf,
  refusedUpgrade,
  upgradeRequest,
} from './upgrade-request.ts';

const DIAL_MS_MAX = 2000;
const HEAD_END = '\r\n\r\n';

/** Who is told what comes. */
export interface LookupConnectionOwner {
  /** Entries of `count` keys of request `id`, from key number `first`, in bytes[start, end), which are overwritten later. */
  onReply(
    id: number,
    first: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void;
  /** It is over, with a refusal (WRONG_NODE ...) or UNAVAILABLE; not called after `close`. */
  onEnd(error: SteleError, wasOpen: boolean): void;
}

export class LookupConnection {
  readonly #peer: string;
  readonly #owner: LookupConnectionOwner;
  readonly #socket: Socket;
  readonly #input = new InputBuffer();
  readonly #dialing: NodeJS.Timeout;
  #waiting: Buffer[] = [];
  #isOpen = false;
  #isEnded = false;
  #heardMs = 0;

  constructor(target: LinkTarget, owner: LookupConnectionOwner) {
    const { host, httpPort } = target.address;
    this.#peer = peerOf(target);
    this.#owner = owner;
    const onread = lentReads((bytes, byteCount) => this.#onData(bytes, byteCount));
    this.#socket = connect({ host, port: httpPort, noDelay: true, onread });
    this.#dialing = setTimeout(() => {
      this.#fail(`does not answer within ${DIAL_MS_MAX} ms`);
    }, DIAL_MS_MAX);
    this.#socket.on('error', (thrown) => {
      this.#fail(`cannot be reached: ${toSteleError(thrown).message}`);
    });
    this.#socket.on('end', () => this.#fail('ended the connection'));
    this.#socket.on('close', () => this.#fail('broke off'));
    const meant = `${LOOKUPS_NODE_HEADER}: ${target.nodeId}\r\n`;
    this.#socket.write(upgradeRequest(target, LOOKUPS_PATH, LOOKUPS_PROTOCOL, meant));
  }

  /** Whether what is sent goes out at once. */
  get isOpen(): boolean {
    return this.#isOpen && !this.#isEnded;
  }

  /** When bytes came last; 0: never. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** Returns whether the system has taken `frame`, which may be overwritten then. */
  send(frame: Buffer): boolean {
    if (!this.#isOpen) {
      this.#waiting.push(frame);
      return false;
    }
    this.#socket.write(frame);
    return this.#socket.writableLength === 0;
  }

  /** Ends it with UNAVAILABLE; `what` the peer has done, or not done. */
  giveUp(what: string): void {
    this.#fail(what);
  }

  close(): void {
    this.#isEnded = true;
    clearTimeout(this.#dialing);
    this.#waiting = [];
    this.#socket.destroy();
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
    this.#heardMs = turnNowMs();
    this.#input.push(bytes, byteCount, true);
    try {
      if (this.#isOpen || this.#changeProtocol()) this.#readReplies();
    } catch (thrown) {
      this.#end(toSteleError(thrown));
    }
    this.#input.keep();
  }

  /** Whether the peer has changed to the protocol; what is left of the input is of it. */
  #changeProtocol(): boolean {
    const { at, bytes, end } = this.#input;
    const head = bytes.toString('latin1', at, Math.min(end, at + ANSWER_BYTES_MAX));
    const headEnd = head.indexOf(HEAD_END);
    if (headEnd < 0 && head.length < ANSWER_BYTES_MAX) return false;
    const status = answerStatus(head);
    if (headEnd < 0 || status !== CHANGED) {
      this.#fail(refusedUpgrade('lookups', LOOKUPS_PROTOCOL, status));
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
      const byteCount = frameBytes(input, REPLY_BYTES_MAX);
      if (byteCount === undefined) break;
      const { at, bytes } = input;
      const end = at + byteCount;
      input.at = end;
      const id = bytes.readUInt32LE(at + LENGTH_BYTES);
      const first = bytes.readUInt32LE(at + LENGTH_BYTES + 4);
      const count = bytes.readUInt32LE(at + LENGTH_BYTES + 8);
      const start = at + HEAD_BYTES;
      if (count === 0) throw readRefusal(bytes, start, end, `The ${this.#peer}`);
      this.#owner.onReply(id, first, count, bytes, start, end);
      if (this.#isEnded) return;
    }
    input.settle();
  }
}
