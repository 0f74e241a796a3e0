// Serves one connection of a peer: segments one after the other (proto/segment-transfer.ts has the
// protocol).
//
//     FRAME   a frame is collected
//     BUSY    waiting for space, verifying and syncing a segment, or sending one; the peer must send nothing
//     BODY    bytes go from the socket straight to the arrival's own memory
//
// A stalled sender is disconnected after IDLE_MS_MAX; that time includes the wait for a turn, the
// verification and the sync, so it is generous. Whatever ends the connection, an arrival in
// progress is abandoned.

import type { Socket } from 'node:net';
import { toSteleError } from '../../base/errors.ts';
import { READ_BYTES, readInto, resumeLater } from '../../transport/socket-reads.ts';
import type { Subject } from '../../access/subject.ts';
import type { Peer, Upgrade } from '../../transport/upgrades.ts';
import {
  FrameReader,
  SEGMENTS_PATH,
  SEGMENTS_PROTOCOL,
  encodeAnswer,
  isWish,
  readAnnouncement,
  readOrigin,
  readWish,
} from '../../proto/segment-transfer.ts';
import type { Arrival } from './arrival.ts';
import type { OutgoingSegment } from './outgoing.ts';
import type {
  SegmentAnnouncement,
  SegmentAnswer,
  SegmentOrigin,
  SegmentWish,
} from '../../proto/segment-transfer.ts';

const IDLE_MS_MAX = 120_000;
/** How long a peer may take to close the connection after a refusal in the middle of a segment. */
const REFUSED_MS_MAX = 5_000;
/** Well below the time after which a peer without an answer gives up. */
const PULLING_EVERY_MS = 1000;
/**
 * Loaders use eight each, datanodes a few. Further connections are refused and tried again by the
 * peer.
 */
const CONNECTIONS_MAX = 1024;

/** The peer that asked for a pull. */
export interface PullWatch {
  readonly onBytes: (bytesDone: number) => void;
  /** Aborts when the peer has gone. */
  readonly signal: AbortSignal;
}

/** Accepts segments and serves them. `subject` is the peer, with --auth on. */
export interface SegmentKeeper {
  /**
   * Resolves to undefined if the segment is already here. What it throws is reported to the sender.
   */
  admit(announced: SegmentAnnouncement, subject: Subject | undefined): Promise<Arrival | undefined>;
  /**
   * Pulls a segment out of its origin, unless it is here; resolves when it is durable and held.
   * `onBytes` is called with the number of bytes so far. What it throws is reported to the peer.
   */
  pull(
    announced: SegmentAnnouncement,
    origin: SegmentOrigin,
    subject: Subject | undefined,
    watch: PullWatch,
  ): Promise<void>;
  /** Notes bytes that have come in; returns how many ms to pause before the next. */
  pace(byteCount: number): number;
  /** A segment to be sent. What it throws is reported to the peer. */
  give(wish: SegmentWish, subject: Subject | undefined): Promise<OutgoingSegment>;
}

/** The upgrade handler for segment transfers. */
export function segmentUpgrade(keeper: SegmentKeeper): Upgrade {
  return {
    path: SEGMENTS_PATH,
    protocol: SEGMENTS_PROTOCOL,
    door: 'segments',
    connectionsMax: CONNECTIONS_MAX,
    open: (socket, _, onClose, peer) => new SegmentConnection(socket, keeper, onClose, peer),
  };
}

class SegmentConnection {
  readonly #socket: Socket;
  readonly #keeper: SegmentKeeper;
  readonly #peer: Peer;
  readonly #frame = new FrameReader();
  #isBusy = false;
  /** Whether the next bytes go into the segment's memory. */
  #isDirect = false;
  #arrival: Arrival | undefined;
  #pause: NodeJS.Timeout | undefined;
  readonly #gone = new AbortController();

  /** Starts at once with the bytes from `accepted`, which this object owns from now on. */
  constructor(accepted: Socket, keeper: SegmentKeeper, onClose: () => void, peer: Peer) {
    this.#keeper = keeper;
    this.#peer = peer;
    const target = {
      next: () => this.#next(),
      filled: (byteCount: number) => this.#filled(byteCount),
    };
    this.#socket = readInto(accepted, target);
    this.#socket.setNoDelay(true);
    this.#socket.setTimeout(IDLE_MS_MAX, () => this.close());
    // The error itself does not matter: the sender reports the failure.
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
    this.#gone.abort();
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
      // The peer sent bytes that nobody asked for.
      this.close();
      return false;
    }
    if (arrival !== undefined) {
      // Unless #isDirect, the read was started before the arrival existed, into the buffer of
      // frames.
      if (!this.#isDirect) arrival.room.set(this.#frame.room.subarray(0, byteCount));
      return this.#bodyFilled(arrival, byteCount);
    }
    try {
      const content = this.#frame.filled(byteCount);
      if (content === undefined) return true;
      if (isWish(content)) void this.#give(readWish(content));
      else this.#announced(readAnnouncement(content), readOrigin(content));
    } catch (thrown) {
      this.#refuse(thrown);
      this.#socket.end();
    }
    return true;
  }

  #bodyFilled(arrival: Arrival, byteCount: number): boolean {
    let written: Promise<void> | undefined;
    try {
      written = arrival.filled(byteCount);
    } catch (thrown) {
      this.#breakOff(arrival, thrown);
      return false;
    }
    const pauseMs = this.#keeper.pace(byteCount);
    if (arrival.room.length === 0) {
      void this.#finish(arrival);
      return true;
    }
    const resume = (): void => {
      if (!this.#socket.destroyed) this.#pause = resumeLater(this.#socket, pauseMs);
    };
    if (written === undefined) resume();
    else written.then(resume, (thrown: unknown) => this.#breakOff(arrival, thrown));
    return false;
  }

  /**
   * Refuses the rest of a segment, which is on its way. Nothing more is read; the peer closes the
   * connection when it has the refusal, which a close here might overtake.
   */
  #breakOff(arrival: Arrival, thrown: unknown): void {
    arrival.abandon();
    if (this.#socket.destroyed) return;
    this.#refuse(thrown);
    this.#pause = setTimeout(() => this.close(), REFUSED_MS_MAX);
  }

  #announced(announced: SegmentAnnouncement, origin: SegmentOrigin | undefined): void {
    if (origin === undefined) void this.#admit(announced);
    else void this.#pull(announced, origin);
  }

  async #pull(announced: SegmentAnnouncement, origin: SegmentOrigin): Promise<void> {
    this.#isBusy = true;
    let pulling = 0;
    const tell = (): void => this.#answer({ pulling });
    const timer = setInterval(tell, PULLING_EVERY_MS);
    const { signal } = this.#gone;
    const onBytes = (bytesDone: number): void => {
      pulling = bytesDone;
      if (bytesDone === 0) tell();
    };
    try {
      await this.#keeper.pull(announced, origin, this.#peer.subject, { onBytes, signal });
      this.#answer('stored');
    } catch (thrown) {
      this.#refuse(thrown);
    } finally {
      clearInterval(timer);
    }
    this.#isBusy = false;
  }

  async #admit(announced: SegmentAnnouncement): Promise<void> {
    this.#isBusy = true;
    try {
      const arrival = await this.#keeper.admit(announced, this.#peer.subject);
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

  async #finish(arrival: Arrival): Promise<void> {
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
      const segment = await this.#keeper.give(wish, this.#peer.subject);
      this.#answer({ sending: segment.byteLength });
      isSending = true;
      for await (const piece of segment.pieces()) {
        if (this.#socket.destroyed) break;
        await this.#write(piece);
      }
    } catch (thrown) {
      // In the middle of a segment a refusal would not be understood; the peer sees the connection
      // end.
      if (isSending) this.close();
      else this.#refuse(thrown);
    }
    this.#isBusy = false;
  }

  /** Resolves when the system has accepted the bytes, or the connection is closed. */
  #write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.write(bytes, () => resolve());
    });
  }

  #refuse(thrown: unknown): void {
    this.#peer.onError(thrown);
    const { code, message } = toSteleError(thrown);
    this.#answer({ code, detail: message });
  }

  #answer(answer: SegmentAnswer): void {
    if (!this.#socket.destroyed) this.#socket.write(encodeAnswer(answer));
  }
}
