// A LookupChannel over one long-lived bidirectional gRPC stream.
//
// All lookups of one event-loop turn travel in one message: an unary call costs about 90 us of CPU
// on each side, a batched one a hundredth of that a key. The stream is opened at the first lookup
// and again after a failure; what was in flight then is rejected at once, so that the caller's one
// retry layer can ask another replica.
//
//   lookup() ... lookup()     one turn      -> one LookupStreamRequest (split at 4,096 keys)
//   LookupStreamResponse(s)   per request   -> sinks, in order; a lookup resolves with its last key

import type { ClientDuplexStream } from '@grpc/grpc-js';
import { SteleError } from '../base/errors.ts';
import { monotonicNowMs } from '../base/clock.ts';
import {
  LOOKUP_BATCH_KEYS_MAX,
  LOOKUP_IN_FLIGHT_MAX,
  LOOKUP_REPLY_SOFT_BYTES,
} from '../base/limits.ts';
import { steleErrorFromGrpc } from './grpc-errors.ts';
import { PackedWriter, readResults } from './lookup-codec.ts';
import type {
  LookupServiceClient,
  LookupStreamRequest,
  LookupStreamResponse,
} from './gen/stele/v1/lookup.ts';
import type { CallOptions, LookupChannel, LookupSink, LookupTargetRef } from './ports.ts';

type Stream = ClientDuplexStream<LookupStreamRequest, LookupStreamResponse>;

/** One lookup() call: its keys may be spread over several messages. */
interface Pending {
  readonly sink: LookupSink;
  readonly resolve: () => void;
  readonly reject: (error: SteleError) => void;
  readonly deadlineAtMs: number;
  keysLeft: number;
  settled: boolean;
  /** Lets go of the caller's AbortSignal. */
  unwatch: () => void;
}

/** Keys [first, first + count) of a message are keys `keyFirst` .. of the pending lookup. */
interface Span {
  readonly pending: Pending;
  readonly first: number;
  readonly keyFirst: number;
  readonly count: number;
}

interface SentBatch {
  readonly spans: readonly Span[];
  readonly keyCount: number;
  keysAnswered: number;
  spanIndex: number;
}

const DEADLINE_SWEEP_MS = 20;

export interface LookupStreamOptions {
  readonly peer: string;
  /** Sent with every message; the peer refuses to answer as somebody else. */
  readonly expectNode: string;
}

export class GrpcLookupChannel implements LookupChannel {
  readonly #client: LookupServiceClient;
  readonly #options: LookupStreamOptions;
  readonly #sent = new Map<number, SentBatch>();
  readonly #waiting = new Set<Pending>();
  readonly #writer = new PackedWriter();
  readonly #targets = new Map<string, number>();
  #targetRefs: LookupTargetRef[] = [];
  #spans: Span[] = [];
  #stream: Stream | undefined;
  #nextId = 1;
  #inFlight = 0;
  #flushScheduled = false;
  #sweep: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(client: LookupServiceClient, options: LookupStreamOptions) {
    this.#client = client;
    this.#options = options;
  }

  /**
   * Keys sent and not answered, those included that nobody waits for any more: what a frozen peer
   * has been sent stays counted until it answers or the stream fails, and so stays bounded.
   */
  get inFlight(): number {
    return this.#inFlight;
  }

  lookup(
    target: LookupTargetRef,
    keys: readonly Uint8Array[],
    sink: LookupSink,
    options: CallOptions,
  ): Promise<void> {
    if (keys.length === 0) return Promise.resolve();
    if (this.#closed) return Promise.reject(this.#lost('The link was closed'));
    if (this.#inFlight + keys.length > LOOKUP_IN_FLIGHT_MAX) {
      return Promise.reject(
        new SteleError('OVERLOADED', `${this.#options.peer} has too many lookups in flight.`),
      );
    }
    return new Promise((resolve, reject) => {
      const pending: Pending = {
        sink,
        resolve,
        reject,
        deadlineAtMs: monotonicNowMs() + options.deadlineMs,
        keysLeft: keys.length,
        settled: false,
        unwatch: () => undefined,
      };
      this.#waiting.add(pending);
      this.#inFlight += keys.length;
      this.#watchAbort(pending, options.signal);
      this.#enqueue(pending, target, keys);
      this.#ensureSweep();
    });
  }

  close(): void {
    this.#closed = true;
    this.#fail(this.#lost('The link was closed'));
    this.#stream?.cancel();
    this.#stream = undefined;
  }

  #enqueue(pending: Pending, target: LookupTargetRef, keys: readonly Uint8Array[]): void {
    let keyFirst = 0;
    while (keyFirst < keys.length) {
      const targetIndex = this.#targetIndex(target);
      const first = this.#writer.count;
      const room = LOOKUP_BATCH_KEYS_MAX - first;
      const count = Math.min(room, keys.length - keyFirst);
      for (let i = 0; i < count; i++) this.#writer.addKey(targetIndex, keys[keyFirst + i] ?? NONE);
      this.#spans.push({ pending, first, keyFirst, count });
      keyFirst += count;
      if (this.#isFull()) this.#flush();
    }
    if (this.#writer.count > 0) this.#scheduleFlush();
  }

  #isFull(): boolean {
    return (
      this.#writer.count >= LOOKUP_BATCH_KEYS_MAX ||
      this.#writer.byteLength >= LOOKUP_REPLY_SOFT_BYTES
    );
  }

  #targetIndex(target: LookupTargetRef): number {
    const name = `${target.keyspaceUid}/${target.version}`;
    let index = this.#targets.get(name);
    if (index === undefined) {
      index = this.#targetRefs.length;
      this.#targets.set(name, index);
      this.#targetRefs.push({ keyspaceUid: target.keyspaceUid, version: target.version });
    }
    return index;
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    // After this turn's I/O callbacks: everything they ask for goes into one message.
    setImmediate(() => {
      this.#flushScheduled = false;
      if (this.#writer.count > 0) this.#flush();
    });
  }

  #flush(): void {
    const spans = this.#spans;
    const request: LookupStreamRequest = {
      id: this.#nextId++,
      targets: this.#targetRefs,
      count: this.#writer.count,
      keys: this.#writer.take(),
      expectNode: this.#options.expectNode,
      expectIncarnation: '',
    };
    this.#spans = [];
    this.#targetRefs = [];
    this.#targets.clear();
    this.#sent.set(request.id, { spans, keyCount: request.count, keysAnswered: 0, spanIndex: 0 });
    // In-flight keys are bounded in lookup(), so what a slow peer leaves unsent is bounded too.
    this.#open().write(request);
  }

  #open(): Stream {
    if (this.#stream !== undefined) return this.#stream;
    const stream: Stream = this.#client.lookupStream();
    stream.on('data', (response) => this.#onResponse(stream, response));
    stream.on('error', (thrown) => {
      this.#onEnd(stream, steleErrorFromGrpc(thrown, this.#options.peer));
    });
    stream.on('end', () => this.#onEnd(stream, this.#lost('The stream ended')));
    this.#stream = stream;
    return stream;
  }

  #onResponse(stream: Stream, response: LookupStreamResponse): void {
    const batch = this.#sent.get(response.id);
    if (batch === undefined || stream !== this.#stream) return;
    if (response.first !== batch.keysAnswered) {
      stream.cancel();
      this.#onEnd(stream, this.#lost('An answer came out of order'));
      return;
    }
    try {
      this.#deliver(batch, response);
    } catch (thrown) {
      stream.cancel();
      this.#onEnd(stream, steleErrorFromGrpc(thrown, this.#options.peer));
      return;
    }
    if (batch.keysAnswered >= batch.keyCount) this.#sent.delete(response.id);
  }

  #deliver(batch: SentBatch, response: LookupStreamResponse): void {
    const bytes = response.results;
    readResults(bytes, response.count, (_, status, start, end) => {
      const keyNumber = batch.keysAnswered++;
      let span = batch.spans[batch.spanIndex];
      while (span !== undefined && keyNumber >= span.first + span.count) {
        span = batch.spans[++batch.spanIndex];
      }
      if (span === undefined) throw this.#lost('More answers than questions');
      const { pending } = span;
      this.#inFlight--;
      if (pending.settled) return;
      pending.sink(span.keyFirst + keyNumber - span.first, status, bytes, start, end);
      if (--pending.keysLeft === 0) this.#settle(pending, undefined);
    });
  }

  #settle(pending: Pending, error: SteleError | undefined): void {
    if (pending.settled) return;
    pending.settled = true;
    this.#waiting.delete(pending);
    pending.unwatch();
    if (error === undefined) pending.resolve();
    else pending.reject(error);
    if (this.#waiting.size === 0 && this.#sweep !== undefined) {
      clearInterval(this.#sweep);
      this.#sweep = undefined;
    }
  }

  #watchAbort(pending: Pending, signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const cancelled = (): void => {
      this.#settle(pending, new SteleError('CANCELLED', 'The lookup was cancelled.'));
    };
    if (signal.aborted) return cancelled();
    signal.addEventListener('abort', cancelled, { once: true });
    pending.unwatch = () => signal.removeEventListener('abort', cancelled);
  }

  /** One timer for all deadlines: a timer a lookup would cost more than the lookup. */
  #ensureSweep(): void {
    this.#sweep ??= setInterval(() => {
      const nowMs = monotonicNowMs();
      for (const pending of this.#waiting) {
        if (pending.deadlineAtMs > nowMs) continue;
        this.#settle(
          pending,
          new SteleError('DEADLINE_EXCEEDED', `${this.#options.peer} did not answer in time.`),
        );
      }
    }, DEADLINE_SWEEP_MS);
  }

  #onEnd(stream: Stream, error: SteleError): void {
    if (stream !== this.#stream) return;
    this.#stream = undefined;
    this.#fail(error);
  }

  #fail(error: SteleError): void {
    this.#sent.clear();
    this.#inFlight = 0;
    this.#spans = [];
    if (this.#writer.count > 0) this.#writer.take();
    for (const pending of this.#waiting) this.#settle(pending, error);
  }

  #lost(reason: string): SteleError {
    return new SteleError('UNAVAILABLE', `${reason} (${this.#options.peer}).`);
  }
}

const NONE = new Uint8Array(0);
