// Explains to people why a copy of a shard is, or is not, on a node, and what it waits for. Pure.
//
// It uses the same predicates as repair.ts and cleanup.ts, so the explanation matches their
// decisions.

import type { SegmentId } from '../../../base/segment-name.ts';
import type { KeyspaceUid } from '../../../base/ids.ts';
import type { NodeStatus } from '../world/membership.ts';
import { copyKey } from '../plans/repair.ts';
import type { InFlight } from '../plans/repair.ts';
import { holdsShard, isInStep, isParked, ownersOf, servesShard } from '../world/world.ts';
import type { Dataset, World } from '../world/world.ts';

/** `dataset` undefined: nothing is committed. */
export function explainCopy(
  world: World,
  inFlight: InFlight,
  node: NodeStatus,
  dataset: Dataset | undefined,
  shard: number,
  isOwner: boolean,
): string {
  const place = placeOf(world, node, isOwner);
  if (node.liveness !== 'SERVING') return `${place}; ${node.liveness.toLowerCase()}, gets no reads`;
  if (dataset === undefined) return place;
  return holdsShard(world.holdings.get(node.id), dataset, shard)
    ? `${place}; verified${whyNotServed(world, node, dataset)}${whyKept(world, node, dataset, shard, isOwner)}`
    : `${place}; ${whyMissing(world, inFlight, node, dataset, shard)}`;
}

function placeOf(world: World, node: NodeStatus, isOwner: boolean): string {
  if (isOwner) return 'the ring puts the shard here';
  return world.draining.has(node.id) ? 'is being drained, has a copy' : 'not an owner, has a copy';
}

function whyNotServed(world: World, node: NodeStatus, dataset: Dataset): string {
  if (isParked(node, dataset.uid))
    return ', on disk only: its keyspace is suspended or on its way back';
  const knowsManifest = world.holdings.get(node.id)?.manifests.has(dataset.ref) === true;
  return knowsManifest ? '' : `, waits for the manifest of version ${dataset.version}`;
}

function whyKept(
  world: World,
  node: NodeStatus,
  dataset: Dataset,
  shard: number,
  isOwner: boolean,
): string {
  if (isOwner || world.draining.has(node.id) || dataset.suspended) return '';
  const waiting = ownersOf(world, dataset, shard).filter((id) => {
    const owner = world.nodes.get(id);
    return owner === undefined || !servesShard(world, owner, dataset, shard);
  });
  return waiting.length === 0 ? ', goes soon' : `, stays until ${waiting.join(' and ')} can answer`;
}

function whyMissing(
  world: World,
  inFlight: InFlight,
  node: NodeStatus,
  dataset: Dataset,
  shard: number,
): string {
  if (!isInStep(world, node)) return 'what it holds is not known yet';
  const { segments } = world.holdings.get(node.id) ?? {};
  const lacking = (dataset.segmentsByShard[shard] ?? []).filter(
    ({ id }) => segments?.get(dataset.uid)?.has(id) !== true,
  );
  for (const { id } of lacking) {
    const attempt = inFlight.get(copyKey(node.id, dataset.uid, id));
    if (attempt === undefined) continue;
    if (attempt.deadlineMs > 0) return `its copy is being fetched, try ${attempt.attempts}`;
    const inMs = Math.max(0, attempt.retryAtMs - world.nowMs);
    return `its copy could not be fetched (${triesOf(attempt.attempts)}: ${attempt.reason}), tried again in ${Math.ceil(inMs / 1000)} s`;
  }
  const isNowhere = lacking.some(({ id }) => !isSomewhere(world, dataset.uid, id));
  return isNowhere
    ? 'its copy is missing, and no datanode that answers has one'
    : 'its copy is missing and will be fetched';
}

function isSomewhere(world: World, uid: KeyspaceUid, segmentId: SegmentId): boolean {
  return [...world.nodes.values()].some(({ id, incarnation, liveness }) => {
    if (liveness !== 'SERVING' && liveness !== 'SUSPECT') return false;
    const holdings = world.holdings.get(id);
    return (
      holdings?.incarnation === incarnation && holdings.segments.get(uid)?.has(segmentId) === true
    );
  });
}

function triesOf(count: number): string {
  return count === 1 ? '1 try' : `${count} tries`;
}
