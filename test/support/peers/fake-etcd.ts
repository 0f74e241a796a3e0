// An etcd for rare behaviour: its watches answer what a test tells them to, and it refuses calls
// with any error.

import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServerDuplexStream, sendUnaryData } from '@grpc/grpc-js';
import {
  CompactionResponse,
  KVService,
  MaintenanceService,
  RangeResponse,
  StatusResponse,
  TxnResponse,
  WatchResponse,
  WatchService,
} from '../../../proto/gen/etcd/etcdserverpb.ts';
import type { WatchCreateRequest, WatchRequest } from '../../../proto/gen/etcd/etcdserverpb.ts';
import { Event_EventType } from '../../../proto/gen/etcd/mvccpb.ts';
import type { Event } from '../../../proto/gen/etcd/mvccpb.ts';

type Stream = ServerDuplexStream<WatchRequest, WatchResponse>;

/** One stream of watches. */
export class FakeWatch {
  readonly #stream: Stream;
  /** The requests so far, by kind. */
  readonly requests: WatchRequest['requestUnion'][] = [];

  constructor(stream: Stream) {
    this.#stream = stream;
    stream.on('data', ({ requestUnion }: WatchRequest) => this.requests.push(requestUnion));
    stream.on('error', () => undefined);
  }

  get created(): WatchCreateRequest | undefined {
    const first = this.requests[0];
    return first?.$case === 'createRequest' ? first.value : undefined;
  }

  asked(kind: NonNullable<WatchRequest['requestUnion']>['$case']): number {
    return this.requests.filter((request) => request?.$case === kind).length;
  }

  /** `revision` is that of the header. */
  send({ revision = 1, ...answer }: Partial<WatchResponse> & { revision?: number }): void {
    const header = { clusterId: '7', memberId: '1', revision, raftTerm: 1 };
    const empty = WatchResponse.decode(new Uint8Array());
    this.#stream.write({ ...empty, header, ...answer });
  }

  /** Breaks the stream. */
  fail(details: string, code = 14): void {
    this.#stream.emit('error', Object.assign(new Error(details), { code, details }));
  }
}

export class FakeEtcd {
  readonly streams: FakeWatch[] = [];
  /** What calls for keys are answered with; without it they succeed. */
  refusal: { readonly code: number; readonly details: string } | undefined;
  /** Calls for keys so far. */
  calls = 0;
  readonly #server = new Server();
  readonly #version: string;
  endpoint = '';

  private constructor(version: string) {
    this.#version = version;
  }

  /** Call `close`. */
  static async start(version = '3.6.0'): Promise<FakeEtcd> {
    const fake = new FakeEtcd(version);
    fake.#server.addService(WatchService, {
      watch: (stream: Stream) => fake.streams.push(new FakeWatch(stream)),
    });
    fake.#server.addService(MaintenanceService, {
      status: (_call: unknown, answer: (error: null, status: StatusResponse) => void) =>
        answer(null, { ...StatusResponse.decode(new Uint8Array()), version: fake.#version }),
    });
    fake.#server.addService(KVService, {
      range: fake.#answerWith(RangeResponse),
      txn: fake.#answerWith(TxnResponse),
      compact: fake.#answerWith(CompactionResponse),
    });
    const port = await new Promise<number>((resolve, reject) => {
      fake.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    fake.endpoint = `127.0.0.1:${port}`;
    return fake;
  }

  close(): void {
    this.#server.forceShutdown();
  }

  #answerWith<Response>(message: { decode(bytes: Uint8Array): Response }) {
    return (_call: unknown, answer: sendUnaryData<Response>): void => {
      this.calls++;
      answer(this.refusal ?? null, message.decode(new Uint8Array()));
    };
  }
}

export function putEvent(key: string, revision: number): Event {
  const kv = {
    key: Buffer.from(key),
    createRevision: revision,
    modRevision: revision,
    version: 1,
    value: Buffer.alloc(0),
    lease: '0',
  };
  return { type: Event_EventType.PUT, kv };
}
