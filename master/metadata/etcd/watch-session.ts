// One stream of a watch, on one connection.
//
//   opened ──created──> watching ──> lost        the stream broke, was silent, or the member left its cluster
//     │                              compacted   the revisions asked for are gone
//     └── refused, with a reason ──> cancelled
//
// Alive or silent: a stream without any message for PING_TICKS is sent a ping, a watch that no
// event passes, which etcd confirms; it is cancelled at once. If nothing arrives until
// SILENT_TICKS, the stream is lost, whatever its connection does. Ticks are counted, not
// milliseconds, so a pause of this process is not a silence. etcd's own progress request is no
// ping: newer versions do not answer it for a watch of a future revision (etcd #20229), older ones
// not while events are outstanding.
//
// Progress, so that a quiet watch is not found compacted when it is resumed: etcd sends it by
// itself every ten minutes, in order with the events; and on request, which is in order with the
// events only since 3.4.25 and 3.5.8 (etcd #15220), so others are not asked.

import type { ClientDuplexStream, Metadata } from '@grpc/grpc-js';
import { toSteleError } from '../../../base/errors.ts';
import type { SteleError } from '../../../base/errors.ts';
import {
  MaintenanceService,
  WatchCreateRequest_FilterType,
  WatchService,
} from '../../../proto/gen/etcd/etcdserverpb.ts';
import type {
  ResponseHeader,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from '../../../proto/gen/etcd/etcdserverpb.ts';
import type { Event } from '../../../proto/gen/etcd/mvccpb.ts';
import type { EtcdEvent } from './api.ts';
import type { Connection } from './endpoints.ts';
import { eventOf } from './messages.ts';
import { Failure, errorAt, failureOf } from './outcomes.ts';

const PING_TICKS = 6;
const SILENT_TICKS = 10;
const STATUS_MS = 2000;
/** The id in an answer to a progress request. */
const ALL_WATCHES = -1;

export interface SessionTarget {
  readonly key: string;
  readonly end: string;
  readonly fromRevision: number;
  readonly tickMs: number;
  /** All events of one revision. */
  onRevision(events: readonly EtcdEvent[], revision: number): void;
  /** All events up to `revision` have been passed on. */
  onProgress(revision: number): void;
  /** Throws if the answer is of another cluster. */
  onHeader(header: ResponseHeader | undefined, address: string): void;
}

export type SessionEnd =
  | { readonly kind: 'lost'; readonly failure: Failure }
  | { readonly kind: 'compacted'; readonly revision: number }
  | { readonly kind: 'cancelled'; readonly reason: string }
  | { readonly kind: 'failed'; readonly error: SteleError };

export class WatchSession {
  readonly #connection: Connection;
  readonly #metadata: Metadata;
  readonly #target: SessionTarget;
  readonly #stream: ClientDuplexStream<WatchRequest, WatchResponse>;
  readonly #revisions = new Revisions();
  readonly #tick: NodeJS.Timeout;
  #resolve: (end: SessionEnd) => void = () => undefined;
  /** Resolves when the session is over, and never rejects. */
  readonly ended = new Promise<SessionEnd>((resolve) => (this.#resolve = resolve));
  #isOver = false;
  #watchId: number | undefined;
  #silentTicks = PING_TICKS;
  #mayRequestProgress = false;

  /** Throws a Failure if the connection was closed. */
  constructor(connection: Connection, metadata: Metadata, target: SessionTarget) {
    this.#connection = connection;
    this.#metadata = metadata;
    this.#target = target;
    this.#stream = connection.stream(WatchService.watch, metadata);
    this.#tick = setInterval(() => this.#onTick(), target.tickMs);
    this.#stream.on('data', (message: WatchResponse) => this.#guarded(message));
    this.#stream.on('error', (error) => this.#lose(failureOf(error, connection.address)));
    this.#stream.once('status', () => {
      connection.release(this.#stream);
      this.#lose(this.#silence('it ended the watch'));
    });
    this.#create({ fromRevision: target.fromRevision, isPing: false });
  }

  /** Whether etcd has confirmed the watch. */
  get isCreated(): boolean {
    return this.#watchId !== undefined;
  }

  stop(): void {
    this.#lose(this.#silence('the watch was closed'));
  }

  #onTick(): void {
    this.#silentTicks++;
    if (this.#silentTicks === PING_TICKS) this.#ping();
    if (this.#silentTicks >= SILENT_TICKS) this.#lose(this.#silence('the watch is silent'));
  }

  #ping(): void {
    this.#create({ fromRevision: 0, isPing: true });
    if (!this.#mayRequestProgress) return;
    this.#write({ requestUnion: { $case: 'progressRequest', value: {} } });
  }

  #guarded(message: WatchResponse): void {
    if (this.#isOver) return;
    this.#silentTicks = 0;
    try {
      this.#target.onHeader(message.header, this.#connection.address);
      this.#take(message);
    } catch (thrown) {
      this.#finish({ kind: 'failed', error: toSteleError(thrown) });
    }
  }

  #take(message: WatchResponse): void {
    const { canceled, created, watchId, compactRevision, cancelReason } = message;
    if (created) {
      this.#onCreated(message);
    } else if (watchId === this.#watchId && compactRevision > 0) {
      this.#finish({ kind: 'compacted', revision: compactRevision });
    } else if (watchId === this.#watchId && canceled) {
      this.#finish({ kind: 'cancelled', reason: cancelReason });
    } else if (watchId === this.#watchId) {
      this.#onEvents(message);
    } else if (watchId === ALL_WATCHES && this.#mayRequestProgress && !canceled) {
      this.#target.onProgress(message.header?.revision ?? 0);
    }
  }

  #onCreated({ watchId, canceled, cancelReason }: WatchResponse): void {
    if (this.isCreated) {
      if (!canceled) this.#write({ requestUnion: { $case: 'cancelRequest', value: { watchId } } });
    } else if (canceled) {
      this.#finish({ kind: 'cancelled', reason: cancelReason });
    } else {
      this.#watchId = watchId;
      void this.#lookAtVersion();
    }
  }

  #onEvents({ header, events, fragment }: WatchResponse): void {
    for (const { events: complete, revision } of this.#revisions.take(events, fragment)) {
      if (!this.#isOver) this.#target.onRevision(complete, revision);
    }
    if (events.length === 0 && !fragment) this.#target.onProgress(header?.revision ?? 0);
  }

  /** Progress stays unrequested if the version cannot be had. */
  async #lookAtVersion(): Promise<void> {
    const options = { metadata: this.#metadata, deadlineMs: STATUS_MS };
    const status = this.#connection.ask(MaintenanceService.status, {}, options);
    const { version } = await status.catch(() => ({ version: '' }));
    this.#mayRequestProgress = hasOrderedProgress(version);
  }

  #create({ fromRevision, isPing }: { fromRevision: number; isPing: boolean }): void {
    const { key, end } = this.#target;
    const create: WatchCreateRequest = {
      key: Buffer.from(key),
      rangeEnd: Buffer.from(isPing ? '' : end),
      startRevision: fromRevision,
      progressNotify: !isPing,
      filters: isPing
        ? [WatchCreateRequest_FilterType.NOPUT, WatchCreateRequest_FilterType.NODELETE]
        : [],
      fragment: !isPing,
    };
    this.#write({ requestUnion: { $case: 'createRequest', value: create } });
  }

  #write(request: WatchRequest): void {
    if (!this.#isOver) this.#stream.write(request);
  }

  #silence(reason: string): Failure {
    return new Failure('unknown', errorAt(this.#connection.address, 'UNAVAILABLE', reason));
  }

  #lose(failure: Failure): void {
    this.#finish({ kind: 'lost', failure });
  }

  #finish(end: SessionEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#tick);
    this.#stream.cancel();
    this.#resolve(end);
  }
}

/**
 * Puts the events of one revision together. etcd splits a large answer into fragments anywhere, and
 * never a revision over two answers.
 */
export class Revisions {
  #events: EtcdEvent[] = [];
  #revision = 0;

  /**
   * The revisions that are complete with this message. `isFragment`: the answer goes on in the next
   * one.
   */
  take(
    events: readonly Event[],
    isFragment: boolean,
  ): { events: readonly EtcdEvent[]; revision: number }[] {
    const complete: { events: readonly EtcdEvent[]; revision: number }[] = [];
    const close = (): void => {
      if (this.#events.length > 0)
        complete.push({ events: this.#events, revision: this.#revision });
      this.#events = [];
    };
    for (const message of events) {
      const { event, revision } = eventOf(message);
      if (revision !== this.#revision) close();
      this.#revision = revision;
      this.#events.push(event);
    }
    if (!isFragment) close();
    return complete;
  }
}

/** Whether etcd of this version answers a progress request in order with the events. */
export function hasOrderedProgress(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => parseInt(part, 10));
  if (major !== 3) return major > 3;
  if (minor === 4) return patch >= 25;
  return minor === 5 ? patch >= 8 : minor > 5;
}
