// Links to simulated datanodes: the product's own messages, encoded and decoded as on a wire, over
// the simulated network, to the object that runs at the address by then
// (datanode/endpoints/direct-link.ts answers there).
//
// In the place of transport/: sockets, gRPC and frames are the operating system's and grpc-js's as
// much as ours, and have tests of their own.

import { SteleError, toSteleError } from '../../../base/errors.ts';
import { fillTarget, targetOf } from '../../../transport/fetch-target.ts';
import * as messages from '../../../proto/gen/stele/v1/datanode.ts';
import type { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type {
  CallOptions,
  DatanodeLink,
  FetchTarget,
  LinkFactory,
  LinkTarget,
  LookupBatch,
  LookupChannel,
} from '../../../proto/ports.ts';
import type { SegmentWish } from '../../../proto/segment-transfer.ts';
import type { SimProcess } from './clock.ts';
import type { SimNetwork } from './network.ts';

const LOOKUP_DEADLINE_MS = 2_000;
/** The server does not learn that the caller has stopped waiting. */
const NEVER = new AbortController().signal;

interface Codec {
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}

function pair(request: unknown, response: unknown): readonly [Codec, Codec] {
  return [request as Codec, response as Codec];
}

/** Of each call, how its messages are written. */
const CODECS = {
  heartbeat: pair(messages.HeartbeatRequest, messages.HeartbeatResponse),
  listHoldings: pair(messages.ListHoldingsRequest, messages.ListHoldingsResponse),
  applyView: pair(messages.ApplyViewRequest, messages.ApplyViewResponse),
  putManifest: pair(messages.PutManifestRequest, messages.PutManifestResponse),
  copySegments: pair(messages.CopySegmentsRequest, messages.CopySegmentsResponse),
  dropSegments: pair(messages.DropSegmentsRequest, messages.DropSegmentsResponse),
  restart: pair(messages.RestartRequest, messages.RestartResponse),
  measureDeltas: pair(messages.MeasureDeltasRequest, messages.MeasureDeltasResponse),
  archiveSegments: pair(messages.ArchiveSegmentsRequest, messages.ArchiveSegmentsResponse),
  mergeSegments: pair(messages.MergeSegmentsRequest, messages.MergeSegmentsResponse),
  scanKeys: pair(messages.ScanKeysRequest, messages.ScanKeysResponse),
  getHotKeys: pair(messages.GetHotKeysRequest, messages.GetHotKeysResponse),
  countReads: pair(messages.CountReadsRequest, messages.CountReadsResponse),
  diffShards: pair(messages.DiffShardsRequest, messages.DiffShardsResponse),
} as const;

export type CallName = keyof typeof CODECS;

/** A datanode as the network reaches it. */
export interface LinkServer extends SimProcess {
  readonly address: { readonly grpcPort: number };
  /** Of the present run; undefined until its ports are open. */
  readonly served: DatanodeLink | undefined;
  /** A call has arrived; what is returned, `answer` or another, is what is sent back. */
  onCall(name: CallName, request: unknown, answer: Promise<unknown>): Promise<unknown>;
  /** A key was looked up here. */
  onLookup(batch: LookupBatch, answers: readonly LookupAnswer[]): void;
}

export interface LookupAnswer {
  status: LookupStatus;
  value: Buffer;
}

type OnSend = (name: CallName, request: unknown) => void;

/** Makes the links of one process. */
export class SimLinks implements LinkFactory {
  readonly #from: SimProcess;
  readonly #network: SimNetwork;
  readonly #serverAt: (grpcPort: number) => LinkServer | undefined;
  readonly #onSend: OnSend;

  /** `onSend`: called with each call when it is sent. */
  constructor(
    from: SimProcess,
    network: SimNetwork,
    serverAt: (grpcPort: number) => LinkServer | undefined,
    onSend: OnSend = () => undefined,
  ) {
    this.#from = from;
    this.#network = network;
    this.#serverAt = serverAt;
    this.#onSend = onSend;
  }

  connect({ address, nodeId }: LinkTarget): DatanodeLink {
    const server = this.#serverAt(address.grpcPort);
    if (server === undefined) throw new Error(`Nobody was ever at the address of ${nodeId}.`);
    return linkTo(server, this.#from, this.#network, this.#onSend);
  }
}

/** The calls in progress on one link. */
class Calls {
  readonly #from: SimProcess;
  readonly #server: LinkServer;
  readonly #network: SimNetwork;
  readonly #underWay = new Set<(error: SteleError) => void>();
  #isClosed = false;

  constructor(server: LinkServer, from: SimProcess, network: SimNetwork) {
    this.#server = server;
    this.#from = from;
    this.#network = network;
  }

  run<Value>(
    { deadlineMs, signal }: CallOptions,
    handle: (served: DatanodeLink) => Promise<Value>,
  ): Promise<Value> {
    const server = this.#server;
    if (this.#isClosed || signal?.aborted === true) return Promise.reject(cancelled());
    return new Promise((resolve, reject) => {
      const abort = (): void => fail(cancelled());
      const fail = this.#network.call<Value>(
        this.#from,
        server,
        deadlineMs,
        async () => {
          if (server.served === undefined) {
            throw new SteleError('UNAVAILABLE', `${server.id} is starting.`);
          }
          try {
            return await handle(server.served);
          } catch (thrown) {
            throw toSteleError(thrown);
          }
        },
        (answer) => {
          this.#underWay.delete(fail);
          signal?.removeEventListener('abort', abort);
          if (answer.ok) resolve(answer.value);
          else reject(new SteleError(answer.error.code, answer.error.message));
        },
      );
      this.#underWay.add(fail);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const fail of [...this.#underWay]) fail(cancelled());
  }
}

function cancelled(): SteleError {
  return new SteleError('CANCELLED', 'Nobody waits for the answer any more.');
}

function linkTo(
  server: LinkServer,
  from: SimProcess,
  network: SimNetwork,
  onSend: OnSend,
): DatanodeLink {
  const calls = new Calls(server, from, network);
  const unary =
    (name: CallName) =>
    async (request: unknown, options: CallOptions): Promise<unknown> => {
      const [requests, responses] = CODECS[name];
      onSend(name, request);
      const sent = requests.encode(request).finish();
      const bytes = await calls.run(options, async (served) => {
        const arrived = requests.decode(sent);
        const method = served[name] as (asked: unknown, how: unknown) => Promise<unknown>;
        const answer = method(arrived, { deadlineMs: options.deadlineMs, signal: NEVER });
        return responses.encode(await server.onCall(name, arrived, answer)).finish();
      });
      return responses.decode(bytes);
    };
  const lost = new Set<() => void>();
  const { life } = from;
  return {
    ...(Object.fromEntries(
      Object.keys(CODECS).map((name) => [name, unary(name as CallName)]),
    ) as unknown as Omit<DatanodeLink, 'fetchSegment' | 'lookups' | 'close'>),
    fetchSegment: (wish, into, options) => fetchSegment(calls, wish, into, options),
    lookups: lookupsOf(server, calls),
    onLost: (listener) => {
      const inThisLife = (): void => {
        if (from.life === life && from.alive) listener();
      };
      lost.add(inThisLife);
      server.lostListeners.add(inThisLife);
    },
    close: () => {
      for (const listener of lost) server.lostListeners.delete(listener);
      calls.close();
    },
  };
}

async function fetchSegment(
  calls: Calls,
  wish: SegmentWish,
  into: FetchTarget,
  options: CallOptions,
): Promise<void> {
  const { byteLength } = into;
  const bytes = await calls.run(options, async (served) => {
    const copy = Buffer.alloc(byteLength);
    await served.fetchSegment(wish, targetOf(copy), options);
    return copy;
  });
  into.pace(byteLength);
  await fillTarget(into, bytes);
}

function lookupsOf(server: LinkServer, calls: Calls): LookupChannel {
  return {
    send: (batch) => {
      const answered = calls.run({ deadlineMs: LOOKUP_DEADLINE_MS }, async (served) => {
        const answers: LookupAnswer[] = [];
        served.lookups.send({
          keys: batch.keys,
          onAnswer: (status, bytes, start, end) =>
            void answers.push({ status, value: Buffer.from(bytes.subarray(start, end)) }),
          onFailure: () => undefined,
        });
        server.onLookup(batch, answers);
        return answers;
      });
      answered.then(
        (answers) => {
          for (const { status, value } of answers) batch.onAnswer(status, value, 0, value.length);
        },
        (thrown: unknown) => batch.onFailure(toSteleError(thrown)),
      );
    },
    close: () => undefined,
  };
}
