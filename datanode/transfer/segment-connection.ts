// One peer's connection: segments one after the other (proto/segment-transfer.ts has the protocol).
//
//     FRAME   a frame is collected
//     BUSY    room is looked for, a segment is verified and synced, or one is sent; nothing may come
//     BODY    bytes go from the socket into the segment's own memory, without a stop in between
//
// A sender that stalls is given up after IDLE_MS_MAX; that time covers the wait for a turn, the verification
// and the sync, so it is generous. Whatever ends the connection, an arrival in progress is abandoned.

import type { Socket } from 'node:net';
import { toSteleError } from '../../base/errors.ts';
import { READ_BYTES, readInto, resumeLater } from '../../base/socket-reads.ts';
import {
  FrameReader,
  encodeAnswer,
  isWish,
  readAnnouncement,
  readWish,
} from '../../proto/segment-transfer.ts';
import type { OutgoingSegment } from './outgoing.ts';
import type {
  SegmentAnnouncement,
  SegmentAnswer,
  SegmentWish,
} from '../../proto/segment-transfer.ts';

const IDLE_MS_MAX = 120_000;

/** One segment on its way in. */
export interface IncomingSegment {
  /** Where the bytes that are still to come belong; not empty before all are there. */
  readonly room: Uint8Array;
  /** So many bytes are in what `room` was. */
  filled(byteCount: number): void;
  /** Resolves when the segment is verified, durable and held. */
  finish(): Promise<void>;
  /** Leaves no trace of it; may be called more than once. */
  abandon(): void;
}

/** Who takes segments and gives them. */
export interface SegmentKeeper {
  /** Undefined: the segment is here already. Throws what the sender is to be told. */
  admit(announced: SegmentAnnouncement): Promise<IncomingSegment | undefined>;
  /** Told of bytes that have come in; returns for how many ms no more are to be taken. */
  pace(byteCount: number): number;
  /** A segment to be sent. Throws what the peer is to be told. */
  give(wish: SegmentWish): Promise<OutgoingSegment>;
}

export class SegmentConnection {
  readonly #socket: Socket;
  readonly #keeper: SegmentKeeper;
  readonly #frame = new FrameReader();
  #isBusy = false;
  /** Whether the next bytes come into the segment's memory. */
  #isDirect = false;
  #arrival: IncomingSegment | undefined;
  #pause: NodeJS.Timeout | undefined;

  /** Starts at once with what comes on `accepted`, which is this object's from here on. */
  constructor(accepted: Socket, keeper: SegmentKeeper, onClose: () => void, reuseReads = true) {
    this.#keeper = keeper;
    const target = {
      next: () => this.#next(),
      filled: (byteCount: number) => this.#filled(byteCount),
    };
    this.#socket = readInto(accepted, target, reuseReads);
    this.#socket.setNoDelay(true);
    this.#socket.setTimeout(IDLE_MS_MAX, () => this.close());
    // What it was is of no interest here: the sender will tell.
    this.#socket.on('error', () => this.close());
    this.#socket.on('end', () => this.close());
    this.#socket.on('close', () => {
      this.#end();
      onClose();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #end(): void {
    clearTimeout(this.#pause);
    this.#arrival?.abandon();
    this.#arrival = undefined;
  }

  #next(): Uint8Array {
    this.#isDirect = !this.#isBusy && this.#arrival !== undefined;
    const room = this.#isDirect ? this.#arrival?.room : undefined;
    if (room === undefined) return this.#frame.room;
    return room.length > READ_BYTES ? room.subarray(0, READ_BYTES) : room;
  }

  #filled(byteCount: number): boolean {
    const arrival = this.#arrival;
    if (this.#isBusy || (arrival !== undefined && byteCount > arrival.room.length)) {
      // Nothing was asked for, or not so much.
      this.close();
      return false;
    }
    if (arrival !== undefined) {
      // Where the first bytes go was settled before they were asked for.
      if (!this.#isDirect) arrival.room.set(this.#frame.room.subarray(0, byteCount));
      return this.#bodyFilled(arrival, byteCount);
    }
    try {
      const content = this.#frame.filled(byteCount);
      if (content === undefined) return true;
      if (isWish(content)) void this.#give(readWish(content));
      else void this.#admit(readAnnouncement(content));
    } catch (thrown) {
      this.#refuse(thrown);
      this.#socket.end();
    }
    return true;
  }

  #bodyFilled(arrival: IncomingSegment, byteCount: number): boolean {
    arrival.filled(byteCount);
    const pauseMs = this.#keeper.pace(byteCount);
    if (arrival.room.length === 0) {
      void this.#finish(arrival);
      return true;
    }
    this.#pause = resumeLater(this.#socket, pauseMs);
    return false;
  }

  async #admit(announced: SegmentAnnouncement): Promise<void> {
    this.#isBusy = true;
    try {
      const arrival = await this.#keeper.admit(announced);
      if (this.#socket.destroyed) arrival?.abandon();
      else {
        this.#arrival = arrival;
        this.#answer(arrival === undefined ? 'stored' : 'send');
      }
    } catch (thrown) {
      this.#refuse(thrown);
    }
    this.#isBusy = false;
  }

  async #finish(arrival: IncomingSegment): Promise<void> {
    this.#isBusy = true;
    try {
      await arrival.finish();
      this.#answer('stored');
    } catch (thrown) {
      this.#refuse(thrown);
    }
    arrival.abandon();
    this.#arrival = undefined;
    this.#isBusy = false;
  }

  async #give(wish: SegmentWish): Promise<void> {
    this.#isBusy = true;
    let isSending = false;
    try {
      const segment = await this.#keeper.give(wish);
      this.#answer({ sending: segment.byteLength });
      isSending = true;
      for await (const piece of segment.pieces()) {
        if (this.#socket.destroyed) break;
        await this.#write(piece);
      }
    } catch (thrown) {
      // Among the bytes of a segment no refusal is understood: the peer sees that they end.
      if (isSending) this.close();
      else this.#refuse(thrown);
    }
    this.#isBusy = false;
  }

  /** Resolves when the system has taken the bytes, or the connection is over. */
  #write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.write(bytes, () => resolve());
    });
  }

  #refuse(thrown: unknown): void {
    const { code, message } = toSteleError(thrown);
    this.#answer({ code, detail: message });
  }

  #answer(answer: SegmentAnswer): void {
    if (!this.#socket.destroyed) this.#socket.write(encodeAnswer(answer));
  }
}
