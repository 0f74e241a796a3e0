// Synchronises one datanode with the master: its holdings here, the view and the manifests there.
// One task per node, started by a heartbeat that shows a difference. It runs until there is none,
// and after a failure stops until the next heartbeat.
//
//   heartbeat reports holdings revision 7, we have 5  -> ListHoldings(since 5)
//   heartbeat reports view 3/11, the present is 3/12  -> ApplyView -> missing manifests -> PutManifest
//   deltas of a version were merged                   -> PutManifest of the new revision
//
// Invariants: one task per node; every call has a deadline; a failure here does not affect whether
// the node counts as alive (only heartbeats do).

import { SteleError, toSteleError } from '../../../base/errors.ts';
import { formatDuration } from '../../../base/units.ts';
import type {
  ApplyViewResponse,
  OrderHeader,
  PutManifestResponse,
  VersionRef,
} from '../../../proto/gen/stele/v1/datanode.ts';
import type { Manifest } from '../../../proto/gen/stele/v1/segment.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import type { CallOptions, DatanodeLink } from '../../../proto/ports.ts';
import type { ControlParts } from '../control-loop.ts';
import { OutdatedManifests, manifestOf } from '../manifests.ts';

const CALL_DEADLINE_MS = 5_000;
const ROUNDS_MAX = 20;
/** Time after which a node that is not in sync is logged, first and repeatedly. */
const WARN_AFTER_MS = 10_000;

interface Applied {
  readonly incarnation: string;
  readonly view: ClusterView;
}

/** The failure of a node to synchronise, with its start. */
interface Failing {
  readonly sinceMs: number;
  warnedAtMs: number;
  reason: string;
}

export class NodeSync {
  readonly #parts: ControlParts;
  readonly #outdated = new OutdatedManifests();
  readonly #running = new Map<string, { again: boolean }>();
  readonly #applied = new Map<string, Applied>();
  readonly #failing = new Map<string, Failing>();
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  /** Checks `nodeId` for differences now, or again after the running task. */
  check(nodeId: string): void {
    if (this.#closed) return;
    this.#adoptReport(nodeId);
    const running = this.#running.get(nodeId);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    // True for nearly every heartbeat in a large cluster.
    if (this.#isInStep(nodeId)) return;
    const state = { again: false };
    this.#running.set(nodeId, state);
    this.#parts.background.run('node-sync', () => this.#run(nodeId, state));
  }

  /** Adopts the view that the node itself reports, over the record that it was given one. */
  #adoptReport(nodeId: string): void {
    const applied = this.#applied.get(nodeId);
    const report = this.#parts.control.state.nodes.get(nodeId)?.report;
    // Nodes of earlier releases report no term.
    if (applied === undefined || report?.viewTerm === undefined) return;
    const { viewEpoch, viewRevision, viewTerm } = report;
    if (isSameOrLater(applied.view, { viewEpoch, viewRevision, viewTerm })) return;
    this.#applied.delete(nodeId);
  }

  checkAll(): void {
    for (const nodeId of this.#parts.connections.getClients().keys()) this.check(nodeId);
  }

  /**
   * Resolves to true once `condition` holds, evaluated after each applied view; false after
   * `timeoutMs`.
   */
  waitUntil(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (holds: boolean): void => {
        cancel();
        this.#waiting.delete(check);
        resolve(holds);
      };
      const check = (): void => {
        if (this.#closed || condition()) end(!this.#closed);
      };
      const { env } = this.#parts.control;
      const cancel = env.after(timeoutMs, () => end(condition()));
      this.#waiting.add(check);
    });
  }

  /**
   * Why a node has been out of sync for long, for people; empty if it is in sync or only briefly
   * out of it.
   */
  troubleOf(nodeId: string): string {
    const failing = this.#failing.get(nodeId);
    const forMs = failing === undefined ? 0 : this.#parts.control.nowMs() - failing.sinceMs;
    if (failing === undefined || forMs < WARN_AFTER_MS) return '';
    return `has not taken the view for ${formatDuration(forMs)}: ${failing.reason}`;
  }

  forget(nodeId: string): void {
    this.#applied.delete(nodeId);
    this.#failing.delete(nodeId);
    this.#outdated.forget(nodeId);
  }

  /** Sends the view to every node again. */
  applyAgain(): void {
    this.#applied.clear();
    this.checkAll();
  }

  close(): void {
    this.#closed = true;
    for (const check of this.#waiting) check();
  }

  async #run(nodeId: string, state: { again: boolean }): Promise<void> {
    try {
      for (let round = 0; round < ROUNDS_MAX && !this.#closed; round++) {
        state.again = false;
        const link = this.#parts.connections.getClient(nodeId);
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
    const nowMs = this.#parts.control.nowMs();
    const failing = this.#failing.get(nodeId) ?? { sinceMs: nowMs, warnedAtMs: nowMs, reason: '' };
    this.#failing.set(nodeId, failing);
    failing.reason = error.message;
    const isDue = nowMs - failing.warnedAtMs >= WARN_AFTER_MS;
    if (isDue) failing.warnedAtMs = nowMs;
    const fields = { node: nodeId, code: error.code, forMs: nowMs - failing.sinceMs, err: error };
    // Heartbeats report silence; a node that contradicts needs a person's attention.
    const level = isDue || error.code === 'CONFLICT' ? 'warn' : 'debug';
    this.#parts.log[level](fields, 'a node is not in step yet');
  }

  #isInStep(nodeId: string): boolean {
    const { known, reported } = this.#holdingsRevisions(nodeId);
    if (known < reported || !this.#needsNoView(nodeId, this.#header(nodeId))) return false;
    return this.#outdatedManifests(nodeId).length === 0;
  }

  #header(nodeId: string): OrderHeader {
    return this.#parts.control.header(nodeId);
  }

  /** The revision of the node's holdings that the master has, and the one in its last heartbeat. */
  #holdingsRevisions(nodeId: string): { readonly known: number; readonly reported: number } {
    const { holdings, nodes } = this.#parts.control.state;
    return {
      known: holdings.get(nodeId)?.revision ?? 0,
      reported: nodes.get(nodeId)?.report?.holdingsRevision ?? 0,
    };
  }

  #outdatedManifests(nodeId: string): readonly VersionRef[] {
    const { isLeading, state } = this.#parts.control;
    return this.#outdated.of(nodeId, state, isLeading);
  }

  #needsNoView(nodeId: string, { incarnation }: OrderHeader): boolean {
    const { isLeading, state } = this.#parts.control;
    // A master that does not lead sends manifests only.
    if (!isLeading) return true;
    const applied = this.#applied.get(nodeId);
    return applied?.view === state.view && applied.incarnation === incarnation;
  }

  async #holdings(nodeId: string, link: DatanodeLink): Promise<void> {
    const { known, reported } = this.#holdingsRevisions(nodeId);
    if (known >= reported) return;
    const header = this.#header(nodeId);
    const list = await link.listHoldings({ header, sinceRevision: known }, callOptions());
    const { incarnation } = header;
    this.#parts.control.dispatch({ kind: 'listed', nodeId, incarnation, list, since: known });
  }

  async #view(nodeId: string, link: DatanodeLink): Promise<void> {
    const { control } = this.#parts;
    const { view } = control.state;
    const header = this.#header(nodeId);
    if (this.#needsNoView(nodeId, header)) {
      await this.#putManifests(nodeId, link, header, this.#outdatedManifests(nodeId));
      return;
    }
    // A higher epoch was taken, and the view of the turn that is to follow has not been made yet.
    if (view.epoch !== header.epoch) return;
    const answer = await link.applyView({ header, view }, callOptions());
    requireApplied(nodeId, view, answer);
    await this.#putManifests(nodeId, link, header, answer.missingManifests);
    await this.#putManifests(nodeId, link, header, this.#outdatedManifests(nodeId));
    const { incarnation } = header;
    this.#applied.set(nodeId, { incarnation, view });
    control.dispatch({ kind: 'view-applied', nodeId, incarnation, view });
    for (const check of this.#waiting) check();
  }

  async #putManifests(
    nodeId: string,
    link: DatanodeLink,
    { incarnation }: OrderHeader,
    refs: readonly VersionRef[],
  ): Promise<void> {
    const { control } = this.#parts;
    for (const ref of refs) {
      const manifest = manifestOf(control.catalog.state, ref);
      // Gone since the view was made; the next view will not name it.
      if (manifest === undefined) continue;
      const header = { ...this.#header(nodeId), incarnation };
      const answer = await link.putManifest({ header, manifest }, callOptions());
      requireTaken(nodeId, manifest, answer);
      const { heldSegmentIds: segmentIds, holdingsRevision } = answer;
      const about = { nodeId, incarnation, manifest, segmentIds, holdingsRevision };
      control.dispatch({ kind: 'manifest-held', ...about });
    }
  }
}

type ReportedView = Pick<ApplyViewResponse, 'viewEpoch' | 'viewRevision' | 'viewTerm'>;

function isSameOrLater(view: ClusterView, has: ReportedView): boolean {
  if (has.viewEpoch !== view.epoch || has.viewTerm !== view.term) return false;
  return (has.viewRevision ?? 0) >= view.revision;
}

/** Throws CONFLICT if the node uses another view than it was given. */
function requireApplied(nodeId: string, view: ClusterView, answer: ApplyViewResponse): void {
  // Nodes of earlier releases do not report it.
  if (answer.viewTerm === undefined || isSameOrLater(view, answer)) return;
  throw new SteleError(
    'CONFLICT',
    `Datanode ${nodeId} goes by view ${answer.viewEpoch}/${answer.viewRevision} and did not take view ${view.epoch}/${view.revision}.`,
  );
}

/** Throws CONFLICT if the node has another manifest of the version than it was given. */
export function requireTaken(
  nodeId: string,
  { fingerprint, keyspace, revision, version }: Manifest,
  answer: PutManifestResponse,
): void {
  // Nodes of earlier releases do not report it.
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
