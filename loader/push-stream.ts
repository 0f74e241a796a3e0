// One PushSegments stream: offers ahead, bytes for those that are asked for, answers.
//
//     loader                        datanode
//       offer A, offer B, offer C  ->
//                                  <-  A: send the bytes     B: stored (was here already)
//       chunk chunk chunk (A)      ->
//                                  <-  C: send the bytes     A: stored
//       chunk (C)                  ->
//
// Bytes of different segments never interleave, and offers go out only between segments. `write()`
// returning false is respected: the stream then waits for 'drain', so memory stays bounded by what
// the receiver takes. Where nothing moves for IDLE_MS_MAX the call is cancelled.

import type { ClientDuplexStream } from '@grpc/grpc-js';
import { Client, credentials } from '@grpc/grpc-js';
import { SteleError } from '../base/errors.ts';
import { TRANSFER_CHUNK_BYTES } from '../base/limits.ts';
import { CHANNEL_OPTIONS } from '../proto/grpc-channel.ts';
import { steleErrorFromGrpc } from '../proto/grpc-errors.ts';
import { DatanodeServiceService } from '../proto/gen/stele/v1/datanode.ts';
import type { PushSegmentsRequest, PushSegmentsResponse } from '../proto/gen/stele/v1/datanode.ts';
import type { SegmentInfo } from '../proto/gen/stele/v1/segment.ts';
import type { NodeView } from '../proto/gen/stele/v1/view.ts';

const IDLE_MS_MAX = 30_000;
const IDLE_CHECK_MS = 1_000;
/** Offers without an answer. */
const OFFERS_AHEAD_MAX = 16;
/** Field 2 of PushSegmentsRequest, length-delimited. */
const CHUNK_TAG = 0x12;

/** A segment on its way. `bytes` is over a SharedArrayBuffer and is read until it is stored. */
export interface OutgoingSegment {
  readonly info: SegmentInfo;
  readonly bytes: Uint8Array;
}

/** Who sends what: goes into every offer. */
export interface PushIdentity {
  readonly keyspaceUid: string;
  readonly loadId: string;
}

type Call = ClientDuplexStream<PushSegmentsRequest, PushSegmentsResponse>;

/** The state that a stream shares with the pusher that opened it. */
export interface PushQueue {
  /** Not yet offered on this stream, oldest first. */
  readonly waiting: OutgoingSegment[];
  /** Offered, not yet stored. */
  readonly offered: Map<string, OutgoingSegment>;
  /** Nothing more will come: the stream ends once all is stored. */
  isClosed: boolean;
  /** Set by the stream: to be called when `waiting` or `isClosed` changes. */
  wake: () => void;
  /** Called for each segment that the node has stored. */
  readonly onStored: (segment: OutgoingSegment) => void;
}

/**
 * Sends until the queue is closed and empty (resolves) or the stream fails (rejects with a SteleError).
 */
export async function runPushStream(
  node: NodeView,
  identity: PushIdentity,
  queue: PushQueue,
): Promise<void> {
  const address = `${node.address?.host ?? ''}:${node.address?.grpcPort ?? 0}`;
  const client = new Client(address, credentials.createInsecure(), CHANNEL_OPTIONS);
  const call: Call = openCall(client);
  const stream = new PushStream(call, node, identity, queue);
  try {
    await stream.run();
  } catch (thrown) {
    throw steleErrorFromGrpc(thrown, `datanode ${node.id} (${address})`);
  } finally {
    call.cancel();
    client.close();
  }
}

function openCall(client: Client): Call {
  const { path, requestSerialize, responseDeserialize } = DatanodeServiceService.pushSegments;
  const serialize = (request: PushSegmentsRequest): Buffer =>
    request.part?.$case === 'chunk' ? encodeChunk(request.part.value) : requestSerialize(request);
  return client.makeBidiStreamRequest(path, serialize, responseDeserialize);
}

/** What the generated encoder gives, with one copy of the bytes instead of three. */
export function encodeChunk(bytes: Uint8Array): Buffer {
  let lengthBytes = 1;
  for (let rest = bytes.length; rest >= 0x80; rest >>>= 7) lengthBytes++;
  const message = Buffer.allocUnsafe(1 + lengthBytes + bytes.length);
  message[0] = CHUNK_TAG;
  let at = 1;
  let rest = bytes.length;
  for (; rest >= 0x80; rest >>>= 7) message[at++] = (rest & 0x7f) | 0x80;
  message[at++] = rest;
  message.set(bytes, at);
  return message;
}

class PushStream {
  readonly #call: Call;
  readonly #node: NodeView;
  readonly #identity: PushIdentity;
  readonly #queue: PushQueue;
  /** Segments whose bytes were asked for, in the order of the asking. */
  readonly #wanted: OutgoingSegment[] = [];
  /** Ids of offers without any answer yet. */
  readonly #unanswered = new Set<string>();
  #isFull = false;
  #progressAtMs = performance.now();
  #failure: unknown;
  #wake: () => void = () => undefined;

  constructor(call: Call, node: NodeView, identity: PushIdentity, queue: PushQueue) {
    this.#call = call;
    this.#node = node;
    this.#identity = identity;
    this.#queue = queue;
  }

  async run(): Promise<void> {
    const { id } = this.#node;
    this.#queue.wake = () => this.#wake();
    this.#call.on('data', (response: PushSegmentsResponse) => this.#onResponse(response));
    this.#call.on('drain', () => this.#onDrain());
    this.#call.on('error', (error: unknown) => this.#fail(error));
    this.#call.on('end', () =>
      this.#fail(new SteleError('UNAVAILABLE', `Datanode ${id} ended the transfer.`)),
    );
    const idleTimer = setInterval(() => this.#checkIdle(), IDLE_CHECK_MS);
    try {
      while (!this.#isFinished()) await this.#step();
    } finally {
      clearInterval(idleTimer);
    }
  }

  #isFinished(): boolean {
    const { isClosed, offered, waiting } = this.#queue;
    return isClosed && waiting.length === 0 && offered.size === 0;
  }

  async #step(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await this.#sendOffers();
    const segment = this.#wanted.shift();
    if (segment !== undefined) await this.#sendBytes(segment);
    else if (!this.#canOffer() && !this.#isFinished()) await this.#nextEvent();
  }

  #canOffer(): boolean {
    return this.#queue.waiting.length > 0 && this.#unanswered.size < OFFERS_AHEAD_MAX;
  }

  async #sendOffers(): Promise<void> {
    while (this.#canOffer()) {
      const segment = this.#queue.waiting.shift() as OutgoingSegment;
      this.#queue.offered.set(segment.info.id, segment);
      this.#unanswered.add(segment.info.id);
      await this.#write({
        part: {
          $case: 'offer',
          value: {
            ...this.#identity,
            segment: segment.info,
            expectNode: this.#node.id,
            expectIncarnation: this.#node.incarnation,
          },
        },
      });
    }
  }

  async #sendBytes({ bytes }: OutgoingSegment): Promise<void> {
    for (let start = 0; start < bytes.length; start += TRANSFER_CHUNK_BYTES) {
      const end = Math.min(bytes.length, start + TRANSFER_CHUNK_BYTES);
      const value = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
      await this.#write({ part: { $case: 'chunk', value } });
    }
  }

  async #write(request: PushSegmentsRequest): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#progressAtMs = performance.now();
    this.#isFull = !this.#call.write(request);
    while (this.#isFull) {
      await this.#nextEvent();
      if (this.#failure !== undefined) throw this.#failure;
    }
  }

  /** Resolves at the next answer, drain, failure or new work. Only the sending loop waits here. */
  #nextEvent(): Promise<void> {
    if (this.#failure !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #onResponse(response: PushSegmentsResponse): void {
    this.#progressAtMs = performance.now();
    const segment = this.#queue.offered.get(response.segmentId);
    if (segment === undefined) {
      const text = `Datanode ${this.#node.id} answered for a segment that was not offered.`;
      this.#fail(new SteleError('INTERNAL', text));
      return;
    }
    this.#unanswered.delete(response.segmentId);
    if (response.stored) {
      this.#queue.offered.delete(response.segmentId);
      this.#queue.onStored(segment);
    } else {
      this.#wanted.push(segment);
    }
    this.#wake();
  }

  #onDrain(): void {
    this.#progressAtMs = performance.now();
    this.#isFull = false;
    this.#wake();
  }

  #checkIdle(): void {
    if (this.#queue.offered.size === 0) this.#progressAtMs = performance.now();
    if (performance.now() - this.#progressAtMs < IDLE_MS_MAX) return;
    const text = `Datanode ${this.#node.id} took no data for ${IDLE_MS_MAX / 1000} s.`;
    this.#fail(new SteleError('DEADLINE_EXCEEDED', text));
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake();
  }
}
