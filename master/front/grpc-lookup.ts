// LookupService of the master: the unary call, and the batched stream for programs that read much.
//
// Requests of one stream are worked on side by side; each is answered as soon as all its keys are
// known, in pieces of about 1 MiB, and sooner where the values are large. A stream holds at most STREAM_KEYS_MAX
// keys that are not yet answered and taken by the client: beyond that it is not read. And it asks for no more keys at
// a time than have values of STREAM_BYTES_HELD, by what the values have been like.

import type { handleUnaryCall, ServerDuplexStream } from '@grpc/grpc-js';
import { clientBytes } from '../../base/byte-budget.ts';
import { SteleError } from '../../base/errors.ts';
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
import type { LookupTarget } from '../../proto/routing/router.ts';
import type { LookupReceiver } from '../../proto/routing/waiting.ts';
import type { LookupCore, LookupOutcome } from './lookup-core.ts';
import { LookupWindow } from './lookup-window.ts';
import type { FrontMetrics, SurfaceCounts } from './metrics.ts';

const STREAM_KEYS_MAX = 4 * LOOKUP_BATCH_KEYS_MAX;
const STREAM_BYTES_HELD = 8 * 1024 * 1024;
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
  readonly #window = new LookupWindow(STREAM_BYTES_HELD, STREAM_KEYS_MAX);
  /** Keys of requests that have been read and whose answers have not been written; those asked for among them. */
  #pendingKeys = 0;
  #askedKeys = 0;
  /** Requests with keys that have not been asked for, in order; requests all of whose answers are there. */
  #unasked: StreamAnswers[] = [];
  #complete: StreamAnswers[] = [];
  #isReading = true;
  /** Of the loop that writes, and of the one that reads. */
  #wakeWriter: () => void = () => undefined;
  #wakeReader: () => void = () => undefined;

  constructor(core: LookupCore, counts: SurfaceCounts, call: Stream) {
    this.#core = core;
    this.#counts = counts;
    this.#call = call;
    call.once('cancelled', () => this.#wake());
  }

  async run(): Promise<void> {
    try {
      await Promise.all([this.#read(), this.#writeAll()]);
      this.#call.end();
    } catch (thrown) {
      if (!this.#call.cancelled) this.#call.emit('error', toGrpcError(thrown));
    }
  }

  async #read(): Promise<void> {
    try {
      for await (const request of messagesOf<LookupStreamRequest>(this.#call)) {
        this.#begin(request);
        while (this.#pendingKeys >= STREAM_KEYS_MAX && !this.#call.cancelled) {
          await new Promise<void>((resolve) => (this.#wakeReader = resolve));
        }
      }
    } finally {
      this.#isReading = false;
      this.#wake();
    }
  }

  #wake(): void {
    this.#wakeWriter();
    this.#wakeReader();
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
    if (clientBytes.isFull) {
      throw new SteleError('OVERLOADED', 'Clients have too much in flight; try again later.');
    }
    const targets = request.targets.map((target) =>
      this.#core.router.targetOfUid(target.keyspaceUid, target.version),
    );
    const answers = new StreamAnswers(request, targets, this.#call, (done, valueBytes) => {
      this.#window.note(valueBytes);
      if (done.isComplete) this.#complete.push(done);
      this.#wakeWriter();
    });
    this.#pendingKeys += request.count;
    if (request.count === 0) this.#complete.push(answers);
    else this.#unasked.push(answers);
    this.#wakeWriter();
  }

  /** Asks for keys and writes answers as they come, until all have been written. */
  async #writeAll(): Promise<void> {
    while (!this.#call.cancelled) {
      this.#ask();
      const complete = this.#complete;
      this.#complete = [];
      for (const answers of complete) await this.#send(answers);
      // One of large values cannot wait until it is complete.
      const [first] = this.#unasked;
      if (first !== undefined && first.known > first.written) await this.#send(first);
      else if (complete.length === 0 && this.#complete.length === 0) {
        if (!this.#isReading && this.#pendingKeys === 0) return;
        await new Promise<void>((resolve) => (this.#wakeWriter = resolve));
      }
    }
  }

  #ask(): void {
    for (let first = this.#unasked[0]; first !== undefined; first = this.#unasked[0]) {
      while (!first.isAsked) {
        if (this.#askedKeys >= this.#window.size) return;
        this.#askedKeys++;
        first.askNext(this.#core);
      }
      this.#unasked.shift();
    }
  }

  /** Writes what is known of the answers to one request, in pieces. */
  async #send(answers: StreamAnswers): Promise<void> {
    const writer = new PackedWriter();
    const { count: keyCount, id } = answers.request;
    if (keyCount === 0) this.#call.write({ id, first: 0, count: 0, results: NO_BYTES });
    for (let first = answers.written, index = first; index < answers.known; index++) {
      const status = answers.statuses[index] as LookupStatus;
      const value = answers.takeValue(index);
      countStatus(this.#counts, status);
      writer.addResult(status, value, 0, value.length);
      if (writer.byteLength < LOOKUP_REPLY_SOFT_BYTES && index + 1 < answers.known) continue;
      const count = index + 1 - first;
      const message = { id, first, count, results: writer.take() };
      first = index + 1;
      answers.written = first;
      const isTaken = this.#call.write(message);
      if (!isTaken) await drained(this.#call);
      this.#askedKeys -= count;
      this.#pendingKeys -= count;
      this.#wakeReader();
    }
    if (answers.isComplete) this.#counts.latency.record(performance.now() - answers.beganMs);
  }
}

/** The answers to one request as they come in. */
class StreamAnswers implements LookupReceiver {
  readonly beganMs = performance.now();
  readonly request: LookupStreamRequest;
  readonly statuses: (LookupStatus | undefined)[];
  /** Answers from the first on that are known, and that have been written. */
  known = 0;
  written = 0;
  readonly #values: (Buffer | undefined)[];
  readonly #keys: { readonly target: LookupTarget | undefined; readonly key: Buffer }[] = [];
  readonly #call: Stream;
  readonly #onAnswer: (answers: StreamAnswers, valueBytes: number) => void;
  #asked = 0;

  constructor(
    request: LookupStreamRequest,
    targets: readonly (LookupTarget | undefined)[],
    call: Stream,
    onAnswer: (answers: StreamAnswers, valueBytes: number) => void,
  ) {
    this.request = request;
    this.statuses = Array.from({ length: request.count });
    this.#values = Array.from({ length: request.count });
    this.#call = call;
    this.#onAnswer = onAnswer;
    readKeys(request.keys, request.count, (_index, targetIndex, start, end) => {
      this.#keys.push({ target: targets[targetIndex], key: request.keys.subarray(start, end) });
    });
  }

  get abandoned(): boolean {
    return this.#call.cancelled;
  }

  get isAsked(): boolean {
    return this.#asked === this.#keys.length;
  }

  get isComplete(): boolean {
    return this.known === this.request.count;
  }

  askNext(core: LookupCore): void {
    const index = this.#asked++;
    const { key, target } = this.#keys[index] ?? {};
    if (target === undefined || key === undefined) {
      this.receive(index, LookupStatus.UNAVAILABLE, undefined);
    } else core.get(target, key, this, index, core.deadlineFromNow());
  }

  receive(index: number, status: LookupStatus, value: Buffer | undefined): void {
    this.statuses[index] = status;
    this.#values[index] = value;
    while (this.known < this.request.count && this.statuses[this.known] !== undefined) this.known++;
    this.#onAnswer(this, value?.length ?? 0);
  }

  /** The value, which is let go of. */
  takeValue(index: number): Buffer {
    const value = this.#values[index] ?? NO_BYTES;
    this.#values[index] = undefined;
    return value;
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
