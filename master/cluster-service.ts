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

/** `closing` ends the watches, so that a close does not wait for them. */
export function clusterService(
  operations: ClusterOperations,
  registrar: Registrar,
  closing: AbortSignal,
): ClusterServiceServer {
  const watchers = { count: 0 };
  return {
    registerNode: unary((request, signal) =>
      registrar.registerNode(request, { deadlineMs: REGISTER_DEADLINE_MS, signal }),
    ),
    getView: unary(() => ({ view: operations.current() })),
    watchView: (call) => watchView(operations, call, watchers, closing),
    getHealth: unary((request, signal) => operations.health(request, signal)),
    listKeyspaces: unary(() => operations.listKeyspaces()),
    listVersions: unary((request) => operations.listVersions(request)),
    rollback: unary((request) => operations.rollback(request)),
    dropKeyspace: unary((request) => answerEmpty(operations.dropKeyspace(request))),
    listNodes: unary(() => operations.listNodes()),
    listShards: unary(() => operations.listShards()),
    explain: unary((request) => operations.explain(request)),
    drainNode: unary(({ nodeId }) => answerEmpty(operations.drainNode(nodeId))),
    resumeNode: unary(({ nodeId }) => answerEmpty(operations.resumeNode(nodeId))),
    removeNode: unary(({ nodeId }) => answerEmpty(operations.removeNode(nodeId))),
  };
}

async function answerEmpty(done: Promise<void>): Promise<Record<string, never>> {
  await done;
  return {};
}

/**
 * Sends the present view and each new one. A watcher that reads slowly misses views in between and
 * gets the newest once it reads again: nothing queues up for it.
 */
function watchView(
  source: ViewSource,
  call: ServerWritableStream<WatchViewRequest, WatchViewResponse>,
  watchers: { count: number },
  closing: AbortSignal,
): void {
  if (watchers.count >= WATCHERS_MAX) {
    const message = `${WATCHERS_MAX} clients watch the view already; try again later.`;
    call.destroy(toGrpcError(new SteleError('OVERLOADED', message)));
    return;
  }
  watchers.count += 1;
  let waiting: ClusterView | undefined;
  let blocked = false;
  const send = (view: ClusterView): void => {
    if (blocked) waiting = view;
    else blocked = !call.write({ view });
  };
  call.on('drain', () => {
    blocked = false;
    const view = waiting;
    waiting = undefined;
    if (view !== undefined) send(view);
  });
  const unsubscribe = source.subscribe(send);
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    watchers.count -= 1;
    unsubscribe();
    closing.removeEventListener('abort', finish);
  };
  const finish = (): void => {
    end();
    call.end();
  };
  closing.addEventListener('abort', finish, { once: true });
  call.on('cancelled', end);
  call.on('close', end);
  send(source.current());
}
