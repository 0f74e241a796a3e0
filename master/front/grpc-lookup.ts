// LookupService of the master: the unary call, and the batched stream for programs that read much.
//
// Requests of one stream are worked on side by side; each is answered as soon as all its keys are
// known, in pieces of about 1 MiB. A stream holds at most STREAM_KEYS_MAX keys that are not yet
// answered and taken by the client: beyond that it is not read.

import type { handleUnaryCall, ServerDuplexStream } from '@grpc/grpc-js';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { LOOKUP_BATCH_KEYS_MAX, LOOKUP_REPLY_SOFT_BYTES } from '../../base/limits.ts';
import { toGrpcError } from '../../proto/grpc-errors.ts';
import { messagesOf } from '../../proto/grpc-streams.ts';
import { PackedWriter, readKeys } from '../../proto/lookup-codec.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import type {
  LookupRequest,
  LookupResponse,
  LookupServiceServer,
  LookupStreamRequest,
  LookupStreamResponse,
} from '../../proto/gen/stele/v1/lookup.ts';
import type { LookupReceiver } from '../../proto/routing/waiting.ts';
import type { LookupCore, LookupOutcome } from './lookup-core.ts';
import type { FrontMetrics, SurfaceCounts } from './metrics.ts';

const STREAM_KEYS_MAX = 4 * LOOKUP_BATCH_KEYS_MAX;
/** Time a client may take to read one message before its stream is given up. */
const DRAIN_MS_MAX = 30_000;
/** Whom a client that names its peer means. */
const MASTER_NAMES: ReadonlySet<string> = new Set(['', 'master']);
const NO_BYTES = Buffer.alloc(0);

type Stream = ServerDuplexStream<LookupStreamRequest, LookupStreamResponse>;

/** The handlers for `server.addService(lookupServiceDefinition, ...)`. */
export function lookupService(core: LookupCore, metrics: FrontMetrics): LookupServiceServer {
  const lookup: handleUnaryCall<LookupRequest, LookupResponse> = (call, callback) => {
    const beganMs = performance.now();
    const { keyspace, keys, version } = call.request;
    const abort = new AbortController();
    call.on('cancelled', () => abort.abort());
    core.lookup(keyspace, keys, { version, signal: abort.signal }).then(
      (outcome) => {
        metrics.grpc.latency.record(performance.now() - beganMs);
        callback(null, responseOf(outcome, metrics.grpc));
      },
      (thrown: unknown) => callback(toGrpcError(thrown)),
    );
  };
  return {
    lookup,
    lookupStream: (call) => void new StreamSession(core, metrics.grpc, call).run(),
  };
}

function responseOf(outcome: LookupOutcome, counts: SurfaceCounts): LookupResponse {
  return {
    version: outcome.target.version,
    results: outcome.statuses.map((status, index) => {
      countStatus(counts, status);
      return { status, value: outcome.values[index] ?? NO_BYTES };
    }),
  };
}

function countStatus(counts: SurfaceCounts, status: LookupStatus): void {
  if (status === LookupStatus.OK) counts.found++;
  else if (status === LookupStatus.NOT_FOUND) counts.notFound++;
  else counts.failed++;
}

/** One stream from its first message to its last. */
class StreamSession {
  readonly #core: LookupCore;
  readonly #counts: SurfaceCounts;
  readonly #call: Stream;
  /** Keys of requests that have been read and whose answers have not been written. */
  #pendingKeys = 0;
  #writes: Promise<void> = Promise.resolve();
  #failure: SteleError | undefined;
  #wake: () => void = () => undefined;

  constructor(core: LookupCore, counts: SurfaceCounts, call: Stream) {
    this.#core = core;
    this.#counts = counts;
    this.#call = call;
  }

  async run(): Promise<void> {
    try {
      for await (const request of messagesOf<LookupStreamRequest>(this.#call)) {
        this.#begin(request);
        await this.#belowKeys(STREAM_KEYS_MAX);
      }
      await this.#belowKeys(1);
      this.#call.end();
    } catch (thrown) {
      if (!this.#call.cancelled) this.#call.emit('error', toGrpcError(thrown));
    }
  }

  #begin(request: LookupStreamRequest): void {
    if (!MASTER_NAMES.has(request.expectNode)) {
      throw new SteleError('WRONG_NODE', `This is the master, not '${request.expectNode}'.`);
    }
    if (request.count > LOOKUP_BATCH_KEYS_MAX) {
      throw new SteleError(
        'BATCH_TOO_LARGE',
        `A message has ${request.count} keys; send at most ${LOOKUP_BATCH_KEYS_MAX}.`,
      );
    }
    const answers = new StreamAnswers(request.count, this.#call, (done) => {
      this.#writes = this.#writes.then(() => this.#write(request, done));
    });
    const targets = request.targets.map((target) =>
      this.#core.router.targetOfUid(target.keyspaceUid, target.version),
    );
    this.#pendingKeys += request.count;
    const deadlineAtMs = this.#core.deadlineFromNow();
    readKeys(request.keys, request.count, (index, targetIndex, start, end) => {
      const target = targets[targetIndex];
      if (target === undefined) answers.receive(index, LookupStatus.UNAVAILABLE, undefined);
      else {
        const key = request.keys.subarray(start, end);
        this.#core.get(target, key, answers, index, deadlineAtMs);
      }
    });
  }

  /** Writes the answers to one request. Never rejects: a failure ends the stream in `run`. */
  async #write(request: LookupStreamRequest, answers: StreamAnswers): Promise<void> {
    try {
      if (this.#failure === undefined && !this.#call.cancelled) await this.#send(request, answers);
    } catch (thrown) {
      this.#failure = toSteleError(thrown);
    }
    this.#counts.latency.record(performance.now() - answers.beganMs);
    this.#pendingKeys -= request.count;
    this.#wake();
  }

  async #send(request: LookupStreamRequest, answers: StreamAnswers): Promise<void> {
    const writer = new PackedWriter();
    let first = 0;
    for (let index = 0; index < request.count; index++) {
      const status = answers.statuses[index] ?? LookupStatus.UNAVAILABLE;
      const value = answers.values[index] ?? NO_BYTES;
      countStatus(this.#counts, status as LookupStatus);
      writer.addResult(status as LookupStatus, value, 0, value.length);
      if (writer.byteLength < LOOKUP_REPLY_SOFT_BYTES && index + 1 < request.count) continue;
      const count = index + 1 - first;
      const message = { id: request.id, first, count, results: writer.take() };
      first = index + 1;
      if (!this.#call.write(message)) await drained(this.#call);
    }
  }

  async #belowKeys(keyCount: number): Promise<void> {
    while (this.#pendingKeys >= keyCount && this.#failure === undefined) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** The answers to one request as they come in. */
class StreamAnswers implements LookupReceiver {
  readonly beganMs = performance.now();
  readonly statuses: Uint8Array;
  readonly values: (Buffer | undefined)[];
  readonly #call: Stream;
  readonly #onDone: (answers: StreamAnswers) => void;
  #left: number;

  constructor(keyCount: number, call: Stream, onDone: (answers: StreamAnswers) => void) {
    this.statuses = new Uint8Array(keyCount);
    this.values = Array.from({ length: keyCount });
    this.#left = keyCount;
    this.#call = call;
    this.#onDone = onDone;
  }

  get abandoned(): boolean {
    return this.#call.cancelled;
  }

  receive(index: number, status: LookupStatus, value: Buffer | undefined): void {
    this.statuses[index] = status;
    this.values[index] = value;
    if (--this.#left === 0) this.#onDone(this);
  }
}

/** Resolves when the client has read on; rejects when it has not for too long, or has gone. */
function drained(call: Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: SteleError): void => {
      clearTimeout(timer);
      call.off('drain', onDrain);
      call.off('cancelled', onGone);
      call.off('close', onGone);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onDrain = (): void => finish();
    const onGone = (): void => finish(new SteleError('CANCELLED', 'The client has gone.'));
    const timer = setTimeout(() => {
      finish(new SteleError('DEADLINE_EXCEEDED', 'The client has stopped reading.'));
    }, DRAIN_MS_MAX);
    call.once('drain', onDrain);
    call.once('cancelled', onGone);
    call.once('close', onGone);
  });
}
