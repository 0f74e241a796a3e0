// Fetches segments from one datanode (protocol: segment-transfer.ts) over reused connections, from
// the socket directly to where they go.
//
//     HEAD    waiting for the answer to the upgrade
//     IDLE    no request; no input is expected
//     FRAME   a request is out; reads exactly its answer, no byte more
//     BODY    reads bytes from the socket into the target
//
// Invariants: a connection carries one segment at a time; every fetch has a deadline and fails
// after IDLE_MS_MAX of silence; a connection whose fetch failed is not reused, unless the peer
// refused it.

import type { Socket } from 'node:net';
import { unwatchAbort, watchAbort } from '../base/abort.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import {
  FrameReader,
  SEGMENTS_PATH,
  SEGMENTS_PROTOCOL,
  encodeWish,
  readSending,
} from '../proto/segment-transfer.ts';
import type { SegmentWish } from '../proto/segment-transfer.ts';
import type { CallOptions, FetchTarget, LinkTarget } from '../proto/ports.ts';
import { dial } from './dial.ts';
import type { DialIdentity } from './dial-identity.ts';
import { READ_BYTES, resumeLater } from './socket-reads.ts';
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

const IDLE_MS_MAX = 10_000;
/** The least time allowed for a transfer, and the slowest acceptable rate without a limit. */
const DEADLINE_MS_MIN = 30_000;
const BYTES_PER_MS_MIN = 1000;

/**
 * The time allowed for a segment, or whatever else is fetched at the same rate, in ms.
 * `bytesPerSecondMax`: what a limit leaves for it; it may take twice as long.
 */
export function segmentDeadlineMs(byteCount: number, bytesPerSecondMax: number): number {
  const perMs = Math.min(BYTES_PER_MS_MIN, bytesPerSecondMax / 1000 / 2);
  return Math.ceil(DEADLINE_MS_MIN + byteCount / perMs);
}

/** The connections to one datanode, one per concurrent fetch. */
export class SegmentFetches {
  readonly #target: LinkTarget;
  readonly #identity: DialIdentity;
  readonly #idle: FetchConnection[] = [];
  readonly #open = new Set<FetchConnection>();
  #isClosed = false;

  constructor(target: LinkTarget, identity: DialIdentity = {}) {
    this.#target = target;
    this.#identity = identity;
  }

  /**
   * Resolves when `into` has all bytes. Rejects with the peer's refusal (WRONG_NODE, NOT_FOUND
   * ...), CORRUPT if the size differs, UNAVAILABLE, DEADLINE_EXCEEDED or CANCELLED.
   */
  async fetch(wish: SegmentWish, into: FetchTarget, options: CallOptions): Promise<void> {
    const { deadlineMs, signal } = options;
    if (this.#isClosed || signal?.aborted === true) throw cancelled();
    const connection = this.#idle.pop() ?? this.#dial();
    const { where } = connection;
    const cancel = (): void => connection.close(cancelled());
    if (signal !== undefined) watchAbort(signal, cancel);
    const overdue = setTimeout(() => {
      const text = `${where} did not send the segment within ${deadlineMs} ms.`;
      connection.close(new SteleError('DEADLINE_EXCEEDED', text));
    }, deadlineMs);
    try {
      await connection.fetch(wish, into);
    } finally {
      clearTimeout(overdue);
      if (signal !== undefined) unwatchAbort(signal, cancel);
      if (connection.isUsable) this.#idle.push(connection);
    }
  }

  /** Closes all connections. Pending fetches reject with CANCELLED. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#open) connection.close(cancelled());
  }

  #dial(): FetchConnection {
    const connection = new FetchConnection(this.#target, this.#identity, () => {
      this.#open.delete(connection);
      const at = this.#idle.indexOf(connection);
      if (at >= 0) this.#idle.splice(at, 1);
    });
    this.#open.add(connection);
    return connection;
  }
}

interface Fetch {
  readonly wish: SegmentWish;
  readonly into: FetchTarget;
  resolve(): void;
  reject(error: SteleError): void;
}

class FetchConnection {
  readonly where: string;
  readonly #socket: Socket;
  readonly #frame = new FrameReader();
  readonly #head = Buffer.allocUnsafe(ANSWER_BYTES_MAX);
  #headBytes = 0;
  #isChanged = false;
  #fetch: Fetch | undefined;
  /** Bytes of the body received; undefined before the body. */
  #received: number | undefined;
  #isPaused = false;
  #pause: NodeJS.Timeout | undefined;
  #failure: SteleError | undefined;

  constructor(target: LinkTarget, identity: DialIdentity, onClose: () => void) {
    const { host, httpPort } = target.address;
    this.where = peerOf(target);
    const onread = {
      buffer: () => this.#next(),
      callback: (byteCount: number) => this.#filled(byteCount),
    };
    const socket = dial(host, httpPort, { onread, tls: identity.tls });
    this.#socket = socket;
    socket.setTimeout(IDLE_MS_MAX);
    // Not as an argument of setTimeout, which would report the first silence only.
    socket.on('timeout', () => this.#onSilence());
    socket.on('error', (thrown) => {
      const text = `${this.where} cannot be reached: ${dialReason(thrown)}.`;
      this.close(new SteleError('UNAVAILABLE', text, { cause: thrown }));
    });
    socket.on('end', () => this.#closed());
    socket.on('close', () => {
      this.#closed();
      onClose();
    });
    socket.write(upgradeRequest(target, SEGMENTS_PATH, SEGMENTS_PROTOCOL, identity));
  }

  /** Whether another segment can be requested. */
  get isUsable(): boolean {
    return this.#failure === undefined && this.#fetch === undefined;
  }

  fetch(wish: SegmentWish, into: FetchTarget): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#fetch = { wish, into, resolve, reject };
      // Before the upgrade, the request is kept and sent when the protocol has changed.
      if (this.#isChanged) this.#socket.write(encodeWish(wish));
    });
  }

  /** Closes the connection. A pending fetch rejects with `error`. */
  close(error: SteleError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    clearTimeout(this.#pause);
    this.#socket.destroy();
    this.#end(error);
  }

  #closed(): void {
    this.#breakOff(this.#headBytes === 0 ? PERHAPS_TLS : 'closed the connection unexpectedly');
  }

  #breakOff(how: string): void {
    this.close(new SteleError('UNAVAILABLE', `${this.where} ${how}.`));
  }

  /** Silence is expected on an idle connection, and while reading is paused. */
  #onSilence(): void {
    if (this.#fetch === undefined || this.#isPaused) return;
    const text = `${this.where} sent nothing for ${IDLE_MS_MAX / 1000} s.`;
    this.close(new SteleError('DEADLINE_EXCEEDED', text));
  }

  /** The memory for the next bytes. */
  #next(): Uint8Array {
    if (!this.#isChanged) return this.#head.subarray(this.#headBytes);
    if (this.#received === undefined || this.#fetch === undefined) return this.#frame.exactRoom;
    return this.#fetch.into.room.subarray(0, READ_BYTES);
  }

  /** Returns false to stop reading until the socket is resumed. */
  #filled(byteCount: number): boolean {
    if (!this.#isChanged) this.#headFilled(byteCount);
    else if (this.#fetch === undefined) this.#breakOff('sent data without a request');
    else if (this.#received === undefined) this.#frameFilled(this.#fetch, byteCount);
    else return this.#bodyFilled(this.#fetch, byteCount);
    return true;
  }

  #headFilled(byteCount: number): void {
    this.#headBytes += byteCount;
    const head = this.#head.toString('latin1', 0, this.#headBytes);
    if (!head.endsWith('\r\n\r\n')) {
      if (this.#headBytes === ANSWER_BYTES_MAX) this.#breakOff('sent a malformed answer');
      return;
    }
    const status = answerStatus(head);
    if (status !== CHANGED) {
      if (status === REFUSED_LOGIN) this.close(refusedLogin(this.where));
      else this.#breakOff(refusedUpgrade('segments', SEGMENTS_PROTOCOL, status));
      return;
    }
    this.#isChanged = true;
    if (this.#fetch !== undefined) this.#socket.write(encodeWish(this.#fetch.wish));
  }

  #frameFilled({ into }: Fetch, byteCount: number): void {
    let sending: number | SteleError | undefined;
    try {
      const content = this.#frame.filled(byteCount);
      if (content === undefined) return;
      sending = readSending(content, this.where);
    } catch {
      this.#breakOff('sent a malformed answer');
      return;
    }
    if (sending instanceof SteleError) this.#end(sending);
    else if (sending === into.byteLength) this.#received = 0;
    else {
      const text = `${this.where} has ${sending} bytes of a segment of ${into.byteLength}.`;
      this.close(new SteleError('CORRUPT', text));
    }
  }

  #bodyFilled({ into }: Fetch, byteCount: number): boolean {
    const received = (this.#received ?? 0) + byteCount;
    this.#received = received;
    const pauseMs = into.pace(byteCount);
    let written: Promise<void> | undefined;
    try {
      written = into.filled(byteCount);
    } catch (thrown) {
      this.close(toSteleError(thrown));
      return true;
    }
    if (received === into.byteLength) {
      this.#end(undefined);
      return true;
    }
    // Until the timer is set, the wait for the disk keeps silence from counting.
    this.#isPaused = true;
    const resume = (): void => {
      if (this.#failure !== undefined) return;
      this.#pause = resumeLater(this.#socket, pauseMs, () => (this.#isPaused = false));
    };
    if (written === undefined) resume();
    else written.then(resume, (thrown: unknown) => this.close(toSteleError(thrown)));
    return false;
  }

  #end(error: SteleError | undefined): void {
    const fetch = this.#fetch;
    this.#fetch = undefined;
    this.#received = undefined;
    if (error === undefined) fetch?.resolve();
    else fetch?.reject(error);
  }
}

function cancelled(): SteleError {
  return new SteleError('CANCELLED', 'The segment is no longer needed.');
}
