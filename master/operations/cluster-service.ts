// stele.v1.ClusterService over the operations and the registrar.

import type { ServerWritableStream } from '@grpc/grpc-js';
import { SteleError } from '../../base/errors.ts';
import type {
  ClusterServiceServer,
  WatchViewRequest,
  WatchViewResponse,
} from '../../proto/gen/stele/v1/cluster.ts';
import { toGrpcError } from '../../transport/grpc-errors.ts';
import type { ReadCounters } from '../../proto/gen/stele/v1/counters.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterOperations, ViewSource } from '../../proto/operations.ts';
import type { Registrar } from '../../proto/ports.ts';
import { requireAudit } from '../../access/audit/audit-answer.ts';
import type { Audit } from '../../access/audit/audit.ts';
import {
  visibleCounters,
  visibleHealth,
  visibleKeyspaces,
  visibleLoads,
  visibleView,
} from '../../access/visible.ts';
import { notKnown } from '../../access/subject.ts';
import { subjectOf } from '../../transport/grpc-access.ts';
import { unary } from '../callers/grpc-handlers.ts';
import { findKeyspace, findNode } from './find-in-list.ts';

const REGISTER_DEADLINE_MS = 5_000;
const WATCHERS_MAX = 10_000;
const AUDIT_LIMIT_DEFAULT = 100;

/** `ownReads` counts the reads that this process has answered. */
export function clusterService(
  operations: ClusterOperations,
  registrar: Registrar,
  watchers: ViewWatchers,
  ownReads: () => ReadCounters,
  audit: Audit | undefined,
): ClusterServiceServer {
  return {
    registerNode: unary((request, signal) =>
      registrar.registerNode(request, { deadlineMs: REGISTER_DEADLINE_MS, signal }),
    ),
    getView: unary((_, __, subject) => ({ view: visibleView(subject, operations.current()) })),
    watchView: (call) => watchers.add(call),
    getHealth: unary(async (request, signal, subject) =>
      visibleHealth(subject, await operations.health(request, signal)),
    ),
    listKeyspaces: unary(async (_, __, subject) =>
      visibleKeyspaces(subject, await operations.listKeyspaces()),
    ),
    getKeyspace: unary((request) => findKeyspace(operations, request.keyspace)),
    listEvents: unary((request, signal) => operations.listEvents(request, signal)),
    listAudit: unary(({ keyspace, limit, user }) => {
      const wanted = { limit: limit || AUDIT_LIMIT_DEFAULT, user, keyspace };
      return { entries: requireAudit(audit).entries(wanted) };
    }),
    listVersions: unary((request) => operations.listVersions(request)),
    rollback: unary((request) => operations.rollback(request)),
    promote: unary((request) => operations.promote(request)),
    dropVersion: unary((request) => answerEmpty(operations.dropVersion(request))),
    setKeep: unary((request) => operations.setKeep(request)),
    getArchive: unary(() => operations.getArchive()),
    cleanArchive: unary((request) => operations.cleanArchive(request)),
    setCache: unary((request) => operations.setCache(request)),
    setTier: unary((request) => operations.setTier(request)),
    setReplication: unary((request) => operations.setReplication(request)),
    listLoads: unary(async (request, _, subject) =>
      visibleLoads(subject, await operations.listLoads(request)),
    ),
    getLoad: unary(async (request) => ({ load: await operations.getLoad(request) })),
    cancelLoad: unary(async (request) => ({ load: await operations.cancelLoad(request) })),
    diffVersions: unary((request, signal) => operations.diffVersions(request, signal)),
    listHotKeys: unary((request) => operations.listHotKeys(request)),
    getCost: unary((request) => operations.getCost(request)),
    createKeyspace: unary((request) => operations.createKeyspace(request)),
    dropKeyspace: unary((request) => answerEmpty(operations.dropKeyspace(request))),
    suspendKeyspace: unary((request) => answerEmpty(operations.suspendKeyspace(request))),
    resumeKeyspace: unary((request) => answerEmpty(operations.resumeKeyspace(request))),
    listNodes: unary(() => operations.listNodes()),
    getNode: unary((request) => findNode(operations, request.nodeId)),
    listShards: unary(() => operations.listShards()),
    explain: unary((request) => operations.explain(request)),
    restartNode: unary(({ nodeId }) => answerEmpty(operations.restartNode(nodeId))),
    drainNode: unary(({ nodeId }) => answerEmpty(operations.drainNode(nodeId))),
    resumeNode: unary(({ nodeId }) => answerEmpty(operations.resumeNode(nodeId))),
    removeNode: unary(({ force, nodeId }) => answerEmpty(operations.removeNode(nodeId, force))),
    listMasters: unary(() => operations.listMasters()),
    getReadCounters: unary(async (_, __, subject) => {
      const answer = { ...(await operations.readCounters()), own: ownReads() };
      return visibleCounters(subject, answer);
    }),
    stepDown: unary(() => answerEmpty(operations.stepDown())),
    getRecords: unary((request) => operations.getRecords(request)),
    getManifest: unary((request) => operations.getManifest(request)),
  };
}

async function answerEmpty(done: Promise<void>): Promise<Record<string, never>> {
  await done;
  return {};
}

/** A stream that is destroyed sends no status. */
function refuse(call: WatchCall, error: SteleError): void {
  call.emit('error', toGrpcError(error));
}

type WatchCall = ServerWritableStream<WatchViewRequest, WatchViewResponse>;

/** Watchers that are written to in one event-loop tick. */
const WATCHERS_A_TURN = 64;

/**
 * The clients that watch the view. Each gets the present view and then every new one, some dozens
 * of watchers per event-loop tick. A watcher that reads slowly, or has not been reached yet, skips
 * views and gets the newest: nothing is queued for it.
 */
export class ViewWatchers {
  readonly #source: ViewSource;
  readonly #open = new Set<Watcher>();
  #unsubscribe: (() => void) | undefined;

  constructor(source: ViewSource) {
    this.#source = source;
  }

  add(call: WatchCall): void {
    if (this.#open.size >= WATCHERS_MAX) {
      const message = `${WATCHERS_MAX} clients watch the view already; try again later.`;
      refuse(call, new SteleError('OVERLOADED', message));
      return;
    }
    this.#unsubscribe ??= this.#source.subscribe(() => this.#send());
    const watcher: Watcher = { call, blocked: false, sent: undefined };
    this.#open.add(watcher);
    const end = (): void => void this.#open.delete(watcher);
    call.on('cancelled', end);
    call.on('close', end);
    call.on('drain', () => {
      watcher.blocked = false;
      this.#sendTo(watcher);
    });
    this.#sendTo(watcher);
  }

  /** Ends all watches, so that closing the server does not wait for them. */
  close(): void {
    this.#unsubscribe?.();
    for (const { call } of this.#open) call.end();
  }

  /**
   * Passes for several views may overlap: a watcher gets the view that is present when it is
   * reached.
   */
  #send(left = this.#open.values()): void {
    for (let count = 0; count < WATCHERS_A_TURN; count++) {
      const { done, value } = left.next();
      if (done === true) return;
      this.#sendTo(value);
    }
    setImmediate(() => this.#send(left));
  }

  #sendTo(watcher: Watcher): void {
    const { call } = watcher;
    const view = this.#source.current();
    if (watcher.blocked || watcher.sent === view || call.writableEnded) return;
    watcher.sent = view;
    const subject = subjectOf(call.metadata);
    if (subject?.isLive === false) return refuse(call, notKnown());
    watcher.blocked = !call.write({ view: visibleView(subject, view) });
  }
}

interface Watcher {
  readonly call: WatchCall;
  /** True while it has not read the last view. */
  blocked: boolean;
  sent: ClusterView | undefined;
}
