// stele.v1.ClusterService over the operations and the registrar.

import type { ServerWritableStream } from '@grpc/grpc-js';
import { SteleError } from '../base/errors.ts';
import type {
  ClusterServiceServer,
  WatchViewRequest,
  WatchViewResponse,
} from '../proto/gen/stele/v1/cluster.ts';
import { toGrpcError } from '../proto/grpc-errors.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import type { ClusterOperations, ViewSource } from '../proto/operations.ts';
import type { Registrar } from '../proto/ports.ts';
import { unary } from './grpc-handlers.ts';

const REGISTER_DEADLINE_MS = 5_000;
const WATCHERS_MAX = 10_000;

export function clusterService(
  operations: ClusterOperations,
  registrar: Registrar,
  watchers: ViewWatchers,
): ClusterServiceServer {
  return {
    registerNode: unary((request, signal) =>
      registrar.registerNode(request, { deadlineMs: REGISTER_DEADLINE_MS, signal }),
    ),
    getView: unary(() => ({ view: operations.current() })),
    watchView: (call) => watchers.add(call),
    getHealth: unary((request, signal) => operations.health(request, signal)),
    listKeyspaces: unary(() => operations.listKeyspaces()),
    listVersions: unary((request) => operations.listVersions(request)),
    rollback: unary((request) => operations.rollback(request)),
    promote: unary((request) => operations.promote(request)),
    dropVersion: unary((request) => answerEmpty(operations.dropVersion(request))),
    setKeep: unary((request) => operations.setKeep(request)),
    setCache: unary((request) => operations.setCache(request)),
    setReplication: unary((request) => operations.setReplication(request)),
    listLoads: unary((request) => operations.listLoads(request)),
    getLoad: unary(async (request) => ({ load: await operations.getLoad(request) })),
    cancelLoad: unary(async (request) => ({ load: await operations.cancelLoad(request) })),
    diffVersions: unary((request, signal) => operations.diffVersions(request, signal)),
    dropKeyspace: unary((request) => answerEmpty(operations.dropKeyspace(request))),
    suspendKeyspace: unary((request) => answerEmpty(operations.suspendKeyspace(request))),
    resumeKeyspace: unary((request) => answerEmpty(operations.resumeKeyspace(request))),
    listNodes: unary(() => operations.listNodes()),
    listShards: unary(() => operations.listShards()),
    explain: unary((request) => operations.explain(request)),
    restartNode: unary(({ nodeId }) => answerEmpty(operations.restartNode(nodeId))),
    drainNode: unary(({ nodeId }) => answerEmpty(operations.drainNode(nodeId))),
    resumeNode: unary(({ nodeId }) => answerEmpty(operations.resumeNode(nodeId))),
    removeNode: unary(({ force, nodeId }) => answerEmpty(operations.removeNode(nodeId, force))),
  };
}

async function answerEmpty(done: Promise<void>): Promise<Record<string, never>> {
  await done;
  return {};
}

type WatchCall = ServerWritableStream<WatchViewRequest, WatchViewResponse>;

/**
 * The clients that watch the view: each gets the present one and then every new one. A watcher
 * that reads slowly misses views in between and gets the newest once it reads again: nothing
 * queues up for it.
 */
export class ViewWatchers {
  readonly #source: ViewSource;
  readonly #open = new Set<WatchCall>();

  constructor(source: ViewSource) {
    this.#source = source;
  }

  add(call: WatchCall): void {
    if (this.#open.size >= WATCHERS_MAX) {
      const message = `${WATCHERS_MAX} clients watch the view already; try again later.`;
      call.destroy(toGrpcError(new SteleError('OVERLOADED', message)));
      return;
    }
    this.#open.add(call);
    const unsubscribe = this.#source.subscribe(newestTo(call, this.#source.current()));
    const end = (): void => {
      this.#open.delete(call);
      unsubscribe();
    };
    call.on('cancelled', end);
    call.on('close', end);
  }

  /** Ends all watches, so that a close of the server does not wait for them. */
  close(): void {
    for (const call of this.#open) call.end();
  }
}

/** Writes `first`, and returns what writes each later view, or the newest of those held back. */
function newestTo(call: WatchCall, first: ClusterView): (view: ClusterView) => void {
  let waiting: ClusterView | undefined;
  let blocked = false;
  const send = (view: ClusterView): void => {
    if (call.writableEnded) return;
    if (blocked) waiting = view;
    else blocked = !call.write({ view });
  };
  call.on('drain', () => {
    blocked = false;
    const view = waiting;
    waiting = undefined;
    if (view !== undefined) send(view);
  });
  send(first);
  return send;
}
