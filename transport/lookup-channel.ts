// A LookupChannel over one long-lived connection (lookup-connection.ts).
//
// All lookups of one event-loop turn travel in one message: asking for one key costs what asking for a
// hundred does. The connection is made at the first lookup and again after a failure; what was in flight
// then is rejected at once, so that the caller's one retry layer can ask another replica.
//
//   lookup() ... lookup()     one turn      -> one request (split at 4,096 keys)
//   reply, or several         per request   -> sinks, in order; a lookup resolves with its last key

import { SteleError } from '../base/errors.ts';
import { monotonicNowMs } from '../base/clock.ts';
import { Sweeper } from '../base/sweeper.ts';
import {
  LOOKUP_BATCH_KEYS_MAX,
  LOOKUP_IN_FLIGHT_BYTES_MAX,
  LOOKUP_IN_FLIGHT_MAX,
  LOOKUP_REPLY_SOFT_BYTES,
} from '../base/limits.ts';
import { PackedWriter, readResults } from '../proto/lookup-codec.ts';
import { LookupConnection } from './lookup-connection.ts';
import type { LookupConnectionOwner } from './lookup-connection.ts';
import { HEAD_BYTES, takeRequest } from '../proto/lookup-protocol.ts';
import type {
  CallOptions,
  LinkTarget,
  LookupChannel,
  LookupSink,
  LookupTargetRef,
} from '../proto/ports.ts';
import { peerOf } from './upgrade-request.ts';

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
  readonly byteCount: number;
  keysAnswered: number;
  spanIndex: number;
}

const SWEEP_MS = 20;
/** A peer that owes answers and says nothing for so long is given up. */
const SILENCE_MS_MAX = 2000;
/** After a connection that could not be made. */
const REDIAL_MS = 100;
const REQUEST_BYTES_EXPECTED = 4096;
const ID_MODULUS = 2 ** 32;

export class ConnectedLookups implements LookupChannel, LookupConnectionOwner {
  readonly #target: LinkTarget;
  readonly #peer: string;
  readonly #sent = new Map<number, SentBatch>();
  readonly #waiting = new Set<Pending>();
  readonly #writer = new PackedWriter(REQUEST_BYTES_EXPECTED, HEAD_BYTES);
  readonly #targets = new Map<string, number>();
  #targetRefs: LookupTargetRef[] = [];
  #spans: Span[] = [];
  #connection: LookupConnection | undefined;
  /** Why none could be made, and when it was found out. */
  #failure: SteleError | undefined;
  #failedMs = 0;
  /** Since when the peer owes answers, as it does now. */
  #owesSinceMs = 0;
  #nextId = 1;
  #inFlight = 0;
  /** Of requests that are not answered whole. */
  #sentBytes = 0;
  #flushScheduled = false;
  #closed = false;
  /** One timer for all deadlines: a timer a lookup would cost more than the lookup. */
  readonly #sweeper = new Sweeper({
    intervalMs: SWEEP_MS,
    sweep: (nowMs) => this.#sweep(nowMs),
    // The peer may have answered long ago: its silence counts from when this process reads again.
    onStall: (nowMs) => (this.#owesSinceMs = nowMs),
  });

  constructor(target: LinkTarget) {
    this.#target = target;
    this.#peer = peerOf(target);
  }

  /**
   * Keys sent and not answered, those included that nobody waits for any more: what a frozen peer
   * has been sent stays counted until it answers or the connection ends, and so stays bounded.
   */
  get inFlight(): number {
    return this.#inFlight;
  }

  get failure(): SteleError | undefined {
    return this.#failure;
  }

  lookup(
    target: LookupTargetRef,
    keys: readonly Uint8Array[],
    sink: LookupSink,
    options: CallOptions,
  ): Promise<void> {
    if (keys.length === 0) return Promise.resolve();
    if (this.#closed) return Promise.reject(this.#lost('The link was closed'));
    if (!this.#dial()) return Promise.reject(this.#failure ?? this.#lost('There is no connection'));
    if (
      this.#inFlight + keys.length > LOOKUP_IN_FLIGHT_MAX ||
      this.#sentBytes > LOOKUP_IN_FLIGHT_BYTES_MAX
    ) {
      return Promise.reject(
        new SteleError('OVERLOADED', `The ${this.#peer} has too many lookups in flight.`),
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
      this.#sweeper.ensure();
    });
  }

  /** Whether lookups would go out at once. Where not, a connection is being made, or will be soon. */
  isConnected(): boolean {
    if (!this.#closed) this.#dial();
    return this.#connection?.isOpen === true;
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
    this.#connection = undefined;
    this.#fail(this.#lost('The link was closed'));
    this.#sweeper.stop();
  }

  onReply(
    id: number,
    first: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const batch = this.#sent.get(id);
    if (batch === undefined || first !== batch.keysAnswered) {
      throw this.#lost('An answer came out of order');
    }
    this.#deliver(batch, count, bytes, start, end);
    if (batch.keysAnswered < batch.keyCount) return;
    this.#sentBytes -= batch.byteCount;
    this.#sent.delete(id);
  }

  onEnd(error: SteleError, wasOpen: boolean): void {
    this.#connection = undefined;
    // One that was good before is made anew at once.
    const isToBeTried = wasOpen && error.code === 'UNAVAILABLE';
    this.#failure = isToBeTried ? undefined : error;
    this.#failedMs = monotonicNowMs();
    this.#fail(error);
  }

  /** Whether there is a connection to send on, or one that is being made. */
  #dial(): boolean {
    if (this.#connection !== undefined) return true;
    if (this.#failure !== undefined && monotonicNowMs() - this.#failedMs < REDIAL_MS) return false;
    this.#connection = new LookupConnection(this.#target, this);
    return true;
  }

  #enqueue(pending: Pending, target: LookupTargetRef, keys: readonly Uint8Array[]): void {
    for (let next = 0; next < keys.length;) {
      const targetIndex = this.#targetIndex(target);
      const first = this.#writer.count;
      const keyFirst = next;
      while (next < keys.length && !this.#isFull) {
        this.#writer.addKey(targetIndex, keys[next++] ?? NONE);
      }
      this.#spans.push({ pending, first, keyFirst, count: next - keyFirst });
      if (this.#isFull) this.#flush();
    }
    if (this.#writer.count > 0) this.#scheduleFlush();
  }

  /** Of the message at hand; never before its first key. */
  get #isFull(): boolean {
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
    const id = this.#nextId;
    this.#nextId = (id + 1) % ID_MODULUS;
    const spans = this.#spans;
    const keyCount = this.#writer.count;
    const frame = takeRequest(this.#writer, id, this.#targetRefs);
    this.#spans = [];
    this.#targetRefs = [];
    this.#targets.clear();
    if (this.#sent.size === 0) this.#owesSinceMs = monotonicNowMs();
    const byteCount = frame.length;
    this.#sentBytes += byteCount;
    this.#sent.set(id, { spans, keyCount, byteCount, keysAnswered: 0, spanIndex: 0 });
    // In-flight keys are bounded in lookup(), so what a slow peer leaves unsent is bounded too.
    if (this.#connection?.send(frame) === true) this.#writer.giveBack();
  }

  #deliver(batch: SentBatch, count: number, bytes: Buffer, from: number, to: number): void {
    readResults(bytes, from, to, count, (_, status, start, end) => {
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

  #sweep(nowMs: number): boolean {
    for (const pending of this.#waiting) {
      if (pending.deadlineAtMs > nowMs) continue;
      const text = `The ${this.#peer} did not answer in time.`;
      this.#settle(pending, new SteleError('DEADLINE_EXCEEDED', text));
    }
    const heardMs = Math.max(this.#owesSinceMs, this.#connection?.heardMs ?? 0);
    if (this.#sent.size > 0 && nowMs - heardMs > SILENCE_MS_MAX) {
      this.#connection?.giveUp(`has said nothing for ${SILENCE_MS_MAX} ms`);
    }
    return this.#waiting.size > 0 || this.#sent.size > 0;
  }

  #fail(error: SteleError): void {
    this.#sent.clear();
    this.#inFlight = 0;
    this.#sentBytes = 0;
    this.#spans = [];
    this.#targetRefs = [];
    this.#targets.clear();
    if (this.#writer.count > 0) this.#writer.take();
    for (const pending of this.#waiting) this.#settle(pending, error);
  }

  #lost(reason: string): SteleError {
    return new SteleError('UNAVAILABLE', `${reason} (${this.#peer}).`);
  }
}

const NONE = new Uint8Array(0);
