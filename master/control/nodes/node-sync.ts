// Brings one datanode and the master's picture of it together: its holdings here, the view and the
// manifests there. One task a node, started by a heartbeat that shows a difference; it goes on
// until there is none, and gives up at the first failure until the next heartbeat.
//
//   heartbeat says holdings revision 7, we have 5  -> ListHoldings(since 5)
//   heartbeat says view 3/11, the present is 3/12  -> ApplyView -> missing manifests -> PutManifest
//   deltas of a version were merged                -> PutManifest of the new revision
//
// Invariants: one task a node; every call has a deadline; a failure here says nothing about the
// node's life (that is for heartbeats alone).

import type { BackgroundTasks } from '../../../base/background.ts';
import { monotonicNowMs } from '../../../base/clock.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import { formatDuration } from '../../../base/units.ts';
import type { Logger } from '../../../base/log.ts';
import type {
  ApplyViewResponse,
  HeartbeatResponse,
  ListHoldingsResponse,
  OrderHeader,
  PutManifestResponse,
  VersionRef,
} from '../../../proto/gen/stele/v1/datanode.ts';
import type { Manifest } from '../../../proto/gen/stele/v1/segment.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import type { CallOptions, DatanodeLink } from '../../../proto/ports.ts';
import type { ConnectionManager } from './connection-manager.ts';

const CALL_DEADLINE_MS = 5_000;
const ROUNDS_MAX = 20;
/** A node that is not brought in step for so long is told of, and again after each such time. */
const TOLD_AFTER_MS = 10_000;

/** What the controller knows and wants to know; every method is quick and synchronous. */
export interface SyncSide {
  header(nodeId: string): OrderHeader;
  /** False while this master does not lead: nodes are given manifests alone. */
  givesViews(): boolean;
  currentView(): ClusterView;
  manifest(ref: VersionRef): Manifest | undefined;
  /** The revision the controller has, and the one that the node's last heartbeat told. */
  holdingsRevisions(nodeId: string): { readonly known: number; readonly reported: number };
  /** The node's last heartbeat, which tells the view that it goes by. */
  reportedView(nodeId: string): HeartbeatResponse | undefined;
  /** `since`: the revision that the list was asked for. */
  onHoldings(nodeId: string, incarnation: string, list: ListHoldingsResponse, since: number): void;
  onManifestHeld(
    nodeId: string,
    incarnation: string,
    manifest: Manifest,
    ids: readonly string[],
  ): void;
  /** Versions of which the node may have an older manifest, or, where no views are given, none. */
  outdatedManifests(nodeId: string): readonly VersionRef[];
  /** The node has this view and all manifests of it. */
  onViewApplied(nodeId: string, incarnation: string, view: ClusterView): void;
}

interface Applied {
  readonly incarnation: string;
  readonly view: ClusterView;
}

/** Since when a node cannot be brought in step. */
interface Failing {
  readonly sinceMs: number;
  toldMs: number;
  reason: string;
}

export class NodeSync {
  readonly #connections: ConnectionManager;
  readonly #side: SyncSide;
  readonly #background: BackgroundTasks;
  readonly #log: Logger;
  readonly #running = new Map<string, { again: boolean }>();
  readonly #applied = new Map<string, Applied>();
  readonly #failing = new Map<string, Failing>();
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor(
    connections: ConnectionManager,
    side: SyncSide,
    background: BackgroundTasks,
    log: Logger,
  ) {
    this.#connections = connections;
    this.#side = side;
    this.#background = background;
    this.#log = log;
  }

  /** Looks for differences of `nodeId` now, or once more after the task that runs. */
  kick(nodeId: string): void {
    if (this.#closed) return;
    this.#believe(nodeId);
    const running = this.#running.get(nodeId);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    // As with nearly every heartbeat of a large cluster.
    if (this.#isInStep(nodeId)) return;
    const state = { again: false };
    this.#running.set(nodeId, state);
    this.#background.run('node-sync', () => this.#run(nodeId, state));
  }

  /** What the node itself says of its view counts more than that it was once given one. */
  #believe(nodeId: string): void {
    const applied = this.#applied.get(nodeId);
    const report = this.#side.reportedView(nodeId);
    // Nodes of earlier releases name no term.
    if (applied === undefined || report?.viewTerm === undefined) return;
    const { viewEpoch, viewRevision, viewTerm } = report;
    if (isSameOrLater(applied.view, { viewEpoch, viewRevision, viewTerm })) return;
    this.#applied.delete(nodeId);
  }

  kickAll(): void {
    for (const nodeId of this.#connections.getClients().keys()) this.kick(nodeId);
  }

  /** Resolves to true once `condition` holds, asked after each applied view; false after `timeoutMs`. */
  waitUntil(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (holds: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve(holds);
      };
      const check = (): void => {
        if (this.#closed || condition()) end(!this.#closed);
      };
      const timer = setTimeout(() => end(condition()), timeoutMs);
      this.#waiting.add(check);
    });
  }

  /** Why a node has not been in step for long, for people; empty: it is, or has just begun not to be. */
  troubleOf(nodeId: string): string {
    const failing = this.#failing.get(nodeId);
    const forMs = failing === undefined ? 0 : monotonicNowMs() - failing.sinceMs;
    if (failing === undefined || forMs < TOLD_AFTER_MS) return '';
    return `does not take the view for ${formatDuration(forMs)}: ${failing.reason}`;
  }

  forget(nodeId: string): void {
    this.#applied.delete(nodeId);
    this.#failing.delete(nodeId);
  }

  /** Gives every node the view once more. */
  applyAgain(): void {
    this.#applied.clear();
    this.kickAll();
  }

  close(): void {
    this.#closed = true;
    for (const check of this.#waiting) check();
  }

  async #run(nodeId: string, state: { again: boolean }): Promise<void> {
    try {
      for (let round = 0; round < ROUNDS_MAX && !this.#closed; round++) {
        state.again = false;
        const link = this.#connections.getClient(nodeId);
        if (link === undefined) break;
        await this.#holdings(nodeId, link);
        await this.#view(nodeId, link);
        this.#failing.delete(nodeId);
        if (!state.again) break;
      }
    } catch (thrown) {
      this.#noteFailure(nodeId, toSteleError(thrown));
    } finally {
      this.#running.delete(nodeId);
    }
  }

  #noteFailure(nodeId: string, error: SteleError): void {
    const nowMs = monotonicNowMs();
    const failing = this.#failing.get(nodeId) ?? { sinceMs: nowMs, toldMs: nowMs, reason: '' };
    this.#failing.set(nodeId, failing);
    failing.reason = error.message;
    const isDue = nowMs - failing.toldMs >= TOLD_AFTER_MS;
    if (isDue) failing.toldMs = nowMs;
    const fields = { node: nodeId, code: error.code, forMs: nowMs - failing.sinceMs, err: error };
    // Silence is for heartbeats to tell of; a node that contradicts is for somebody to look at.
    const level = isDue || error.code === 'CONFLICT' ? 'warn' : 'debug';
    this.#log[level](fields, 'a node is not in step yet');
  }

  #isInStep(nodeId: string): boolean {
    const { known, reported } = this.#side.holdingsRevisions(nodeId);
    if (known < reported || !this.#needsNoView(nodeId, this.#side.header(nodeId))) return false;
    return this.#side.outdatedManifests(nodeId).length === 0;
  }

  #needsNoView(nodeId: string, { incarnation }: OrderHeader): boolean {
    if (!this.#side.givesViews()) return true;
    const applied = this.#applied.get(nodeId);
    return applied?.view === this.#side.currentView() && applied.incarnation === incarnation;
  }

  async #holdings(nodeId: string, link: DatanodeLink): Promise<void> {
    const { known, reported } = this.#side.holdingsRevisions(nodeId);
    if (known >= reported) return;
    const header = this.#side.header(nodeId);
    const list = await link.listHoldings({ header, sinceRevision: known }, callOptions());
    this.#side.onHoldings(nodeId, header.incarnation, list, known);
  }

  async #view(nodeId: string, link: DatanodeLink): Promise<void> {
    const view = this.#side.currentView();
    const header = this.#side.header(nodeId);
    if (this.#needsNoView(nodeId, header)) {
      await this.#putManifests(nodeId, link, header, this.#side.outdatedManifests(nodeId));
      return;
    }
    const answer = await link.applyView({ header, view }, callOptions());
    requireApplied(nodeId, view, answer);
    await this.#putManifests(nodeId, link, header, answer.missingManifests);
    await this.#putManifests(nodeId, link, header, this.#side.outdatedManifests(nodeId));
    this.#applied.set(nodeId, { incarnation: header.incarnation, view });
    this.#side.onViewApplied(nodeId, header.incarnation, view);
    for (const check of this.#waiting) check();
  }

  async #putManifests(
    nodeId: string,
    link: DatanodeLink,
    header: OrderHeader,
    refs: readonly VersionRef[],
  ): Promise<void> {
    for (const ref of refs) {
      const manifest = this.#side.manifest(ref);
      // Gone since the view was made; the next view will not name it.
      if (manifest === undefined) continue;
      const answer = await link.putManifest({ header, manifest }, callOptions());
      requireTaken(nodeId, manifest, answer);
      this.#side.onManifestHeld(nodeId, header.incarnation, manifest, answer.heldSegmentIds);
    }
  }
}

type ReportedView = Pick<ApplyViewResponse, 'viewEpoch' | 'viewRevision' | 'viewTerm'>;

function isSameOrLater(view: ClusterView, has: ReportedView): boolean {
  if (has.viewEpoch !== view.epoch || has.viewTerm !== view.term) return false;
  return (has.viewRevision ?? 0) >= view.revision;
}

/** Throws CONFLICT where the node goes by another view than it was given. */
function requireApplied(nodeId: string, view: ClusterView, answer: ApplyViewResponse): void {
  // Nodes of earlier releases do not say.
  if (answer.viewTerm === undefined || isSameOrLater(view, answer)) return;
  throw new SteleError(
    'CONFLICT',
    `Datanode ${nodeId} goes by view ${answer.viewEpoch}/${answer.viewRevision} and did not take view ${view.epoch}/${view.revision}.`,
  );
}

/** Throws CONFLICT where the node goes by another manifest of the version than it was given. */
export function requireTaken(
  nodeId: string,
  { fingerprint, keyspace, revision, version }: Manifest,
  answer: PutManifestResponse,
): void {
  // Nodes of earlier releases do not say.
  if (answer.fingerprint === undefined) return;
  if (answer.fingerprint === fingerprint && (answer.revision ?? 0) === revision) return;
  throw new SteleError(
    'CONFLICT',
    `Datanode ${nodeId} has another manifest of version ${version} of keyspace '${keyspace}' (${answer.fingerprint}, revision ${answer.revision ?? 0}) than it was given (${fingerprint}, revision ${revision}); it gets no reads of that version.`,
  );
}

function callOptions(): CallOptions {
  return { deadlineMs: CALL_DEADLINE_MS };
}
