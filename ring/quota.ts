// How many replicas a node should hold, and how many it may hold.
//
// A fair share is proportional to the node's weight, within the limits that distinct zones and
// hosts set: a zone that may hold one replica of a shard takes at most S replicas, however heavy it
// is, and the others take the rest in proportion. Shares are computed from the outside in: zones,
// then the hosts of a zone, then the nodes of a host.

/** A node as placement sees it: small integers instead of names. */
export interface QuotaNode {
  readonly zone: number;
  readonly host: number;
  readonly weight: number;
}

/** Maximum ratio of load to fair share. */
const LOAD_BOUND = 1.1;
const PRIMARY_BOUND = 1.25;
/** Shares come from a bisection. A share of 32.0000001 must not round up to a bound of 33. */
const ROUNDING_SLACK = 1e-6;
const BISECTION_STEPS = 100;

/** The fair share of each node, in replicas. The shares add up to `shardCount * replication`. */
export function fairShares(
  nodes: readonly QuotaNode[],
  shardCount: number,
  replication: number,
): Float64Array {
  const shares = new Float64Array(nodes.length);
  const all = nodes.map((_, index) => index);
  const zones = group(all, (index) => nodes[index]?.zone ?? 0);
  const hostCount = new Set(nodes.map((node) => node.host)).size;
  // With more replicas than zones, each zone has one and the rest may lie anywhere.
  const zoneReplicasMax = Math.max(1, replication - zones.length + 1);
  const hostReplicasMax = Math.max(1, replication - hostCount + 1);
  const zoneMin = zones.length <= replication ? shardCount : 0;
  const weightOf = (index: number): number => nodes[index]?.weight ?? 0;

  const zoneShares = apportion(shardCount * replication, zones, weightOf, (zone) => ({
    min: zoneMin,
    max: shardCount * Math.min(zone.length, zoneReplicasMax),
  }));
  for (const [at, zone] of zones.entries()) {
    const hosts = group(zone, (index) => nodes[index]?.host ?? 0);
    const hostShares = apportion(zoneShares[at] ?? 0, hosts, weightOf, (host) => ({
      min: 0,
      max: shardCount * Math.min(host.length, hostReplicasMax),
    }));
    for (const [hostAt, host] of hosts.entries()) {
      const single = host.map((index) => [index]);
      const bound = { min: 0, max: shardCount };
      const nodeShares = apportion(hostShares[hostAt] ?? 0, single, weightOf, () => bound);
      for (const [nodeAt, index] of host.entries()) shares[index] = nodeShares[nodeAt] ?? 0;
    }
  }
  return shares;
}

/** Maximum number of replicas for a node with this fair share. */
export function loadMax(share: number): number {
  return Math.ceil(LOAD_BOUND * share - ROUNDING_SLACK);
}

/** Maximum number of first places for a node with this fair share of replicas. */
export function primaryMax(share: number, replication: number): number {
  return Math.ceil((PRIMARY_BOUND * share) / replication - ROUNDING_SLACK);
}

interface Bounds {
  readonly min: number;
  readonly max: number;
}

/**
 * Splits `total` in proportion to the groups' weights, with each part within its bounds where
 * possible.
 */
function apportion(
  total: number,
  groups: readonly (readonly number[])[],
  weightOf: (index: number) => number,
  boundsOf: (members: readonly number[]) => Bounds,
): number[] {
  const parts = groups.map((members) => ({
    weight: members.reduce((sum, index) => sum + weightOf(index), 0),
    ...boundsOf(members),
  }));
  const weightSum = parts.reduce((sum, part) => sum + part.weight, 0);
  const plain = parts.map((part) => (total * part.weight) / weightSum);
  if (plain.every((share, at) => inBounds(share, parts[at]))) return plain;

  // The sum of the clamped parts rises with the level, so the level is found by bisection.
  const atLevel = (level: number): number[] =>
    parts.map((part) => Math.min(part.max, Math.max(part.min, level * part.weight)));
  const sumAt = (level: number): number => atLevel(level).reduce((sum, share) => sum + share, 0);
  let low = 0;
  let high = total / Math.min(...parts.map((part) => part.weight));
  for (let step = 0; step < BISECTION_STEPS; step++) {
    const middle = (low + high) / 2;
    if (sumAt(middle) < total) low = middle;
    else high = middle;
  }
  return atLevel(high);
}

function inBounds(share: number, bounds: Bounds | undefined): boolean {
  return bounds !== undefined && share >= bounds.min && share <= bounds.max;
}

function group(indexes: readonly number[], keyOf: (index: number) => number): number[][] {
  const groups = new Map<number, number[]>();
  for (const index of indexes) {
    const members = groups.get(keyOf(index));
    if (members === undefined) groups.set(keyOf(index), [index]);
    else members.push(index);
  }
  return [...groups.values()];
}
