// Has segments written into the deep store by datanodes that hold them: gives orders and asks until
// all are done. One that fails on a node is ordered from another holder; it fails for good when all
// have failed. One that all datanodes have lost may be in the store already: then repair can take
// it from there.

import { sleep } from '../../../base/clock.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import { listNames } from '../../../base/ids.ts';
import type { KeyspaceUid } from '../../../base/ids.ts';
import type { SegmentId } from '../../../base/segment-name.ts';
import { ArchiveState } from '../../../proto/gen/stele/v1/datanode.ts';
import type { ArchiveStatus, StoreRef } from '../../../proto/gen/stele/v1/datanode.ts';
import type { SegmentRecord } from '../../catalog/records.ts';
import { holds } from '../../core/world/holdings.ts';
import { isServing } from '../../core/world/membership.ts';
import type { ControlParts } from '../control-loop.ts';
import { orderSpan } from '../orders.ts';

const ORDER_DEADLINE_MS = 10_000;
const ASK_INTERVAL_MS = 250;
/** Segments that one node has to do at a time. */
const PER_NODE_MAX = 64;
/** How long segments may have no holder that serves, or no holder may answer. */
const STALLED_MS_MAX = 30_000;

export interface UploadOptions {
  readonly uid: KeyspaceUid;
  readonly segments: readonly SegmentRecord[];
  readonly store: StoreRef;
  /** Per datanode; 0: unlimited. */
  readonly bytesPerSecondMax: number;
  /** A segment that has been in the store for longer is written again. */
  readonly refreshAfterMs: number;
  /** Whether the store has a segment: asked for those that no datanode has any more. */
  readonly isStored: (segment: SegmentRecord) => Promise<boolean>;
  /** Called with each segment that is in the store. */
  readonly onDone: (segment: SegmentRecord) => void;
  readonly signal: AbortSignal;
}

interface Pending {
  readonly segment: SegmentRecord;
  /** The node that has the order. */
  node: string | undefined;
  readonly failedOn: Set<string>;
  reason: string;
}

/**
 * Resolves when all segments are in the store. Throws the reason of one that no holder could write,
 * UNAVAILABLE if nothing can be done for a while, and CANCELLED.
 */
export async function uploadSegments(parts: ControlParts, options: UploadOptions): Promise<void> {
  const { segments, signal } = options;
  const pending = new Map<SegmentId, Pending>(
    segments.map((segment) => [
      segment.id,
      { segment, node: undefined, failedOn: new Set(), reason: '' },
    ]),
  );
  const { control } = parts;
  let advancedAtMs = control.nowMs();
  for (;;) {
    const orders = assign(parts, options.uid, pending);
    const answers = await Promise.all(
      [...orders].map(([node, own]) => ask(parts, options, node, own)),
    );
    for (const { node, own, statuses } of answers) {
      own.forEach((each, at) => note(each, node, statuses?.[at]));
      for (const { segment } of own.filter((_each, at) => isDone(statuses?.[at]))) {
        pending.delete(segment.id);
        options.onDone(segment);
      }
    }
    for (const { segment } of orphansOf(pending)) {
      if (!(await options.isStored(segment))) continue;
      pending.delete(segment.id);
      options.onDone(segment);
    }
    if (pending.size === 0) return;
    // What is being written counts as progress: a datanode has deadlines of its own.
    if (answers.some(({ statuses }) => statuses !== undefined)) advancedAtMs = control.nowMs();
    if (control.nowMs() - advancedAtMs > STALLED_MS_MAX) throw stalled([...pending.values()]);
    await sleep(ASK_INTERVAL_MS, signal, control.env);
    if (signal.aborted || !control.isLeading) {
      throw new SteleError('CANCELLED', 'This master has stopped to archive.');
    }
  }
}

/** By node: what it is to write. A segment stays with its node while that serves and has it. */
function assign(
  { control }: ControlParts,
  uid: KeyspaceUid,
  pending: ReadonlyMap<SegmentId, Pending>,
): Map<string, Pending[]> {
  const { holdings, nodes } = control.state;
  const serving = [...nodes.values()].filter(isServing);
  const orders = new Map<string, Pending[]>();
  for (const each of pending.values()) {
    const { failedOn, segment } = each;
    const holders = serving.filter((node) => {
      const held = holdings.get(node.id);
      return held?.incarnation === node.incarnation && holds(held, uid, segment.id);
    });
    const open = holders.filter(({ id }) => !failedOn.has(id));
    if (holders.length > 0 && open.length === 0) throw new SteleError('IO', each.reason);
    const next = open.find(({ id }) => id === each.node) ?? open[segment.shard % open.length];
    each.node = next?.id;
    if (next === undefined) continue;
    const own = orders.get(next.id);
    if (own === undefined) orders.set(next.id, [each]);
    else if (own.length < PER_NODE_MAX) own.push(each);
  }
  return orders;
}

/** Those without a holder that serves. */
function orphansOf(pending: ReadonlyMap<SegmentId, Pending>): Pending[] {
  return [...pending.values()].filter(({ node }) => node === undefined);
}

interface Answer {
  readonly node: string;
  readonly own: readonly Pending[];
  /** Undefined: the order was not taken. */
  readonly statuses: readonly ArchiveStatus[] | undefined;
}

async function ask(
  { connections, control, log }: ControlParts,
  { bytesPerSecondMax, refreshAfterMs, store, uid }: UploadOptions,
  node: string,
  own: readonly Pending[],
): Promise<Answer> {
  let statuses: readonly ArchiveStatus[] | undefined;
  await orderSpan('order archive', node, own.length, async (span) => {
    try {
      const header = control.header(node);
      const segments = own.map(({ segment }) => ({ keyspaceUid: uid, segmentId: segment.id }));
      const order = { header, store, segments, bytesPerSecondMax, refreshAfterMs };
      const options = { deadlineMs: ORDER_DEADLINE_MS };
      ({ statuses } = await connections.requireClient(node).archiveSegments(order, options));
    } catch (thrown) {
      const error = toSteleError(thrown);
      span?.fail(error.message);
      log.warn({ node, code: error.code, err: error }, 'archive orders were not taken');
    }
  });
  return { node, own, statuses };
}

function isDone(status: ArchiveStatus | undefined): boolean {
  return status?.state === ArchiveState.DONE;
}

function note(pending: Pending, node: string, status: ArchiveStatus | undefined): void {
  if (status?.state !== ArchiveState.FAILED) return;
  pending.failedOn.add(node);
  pending.reason = `Datanode ${node} could not write segment ${pending.segment.id}: ${status.reason}`;
}

function stalled(pending: readonly Pending[]): SteleError {
  const shards = [...new Set(pending.map(({ segment }) => String(segment.shard)))];
  return new SteleError(
    'UNAVAILABLE',
    `No datanode that holds them answers, so these shards are not archived yet: ${listNames(shards, 5)}.`,
  );
}
