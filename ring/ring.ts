// The ring: where the virtual nodes of each node lie.
//
// The circle is cut into one arc per shard; a shard stands at the start of its arc. Every node has
// one virtual node on every arc, S in all, and a shard's owners are the first virtual nodes met
// when walking clockwise from it. What makes this ring better than one of random points is that
// a node's S offsets are stratified: they are a permutation of the S equal steps of an arc (the
// *rank* of the virtual node) plus a random fraction within the step.
//
//     shard                                      next shard
//       |--------+--------+--------+-- ... --+--------|     S steps of an arc
//        rank 0    rank 1   rank 2            rank S-1       each used once per node
//           ^n7         ^n2   ^n5                            n7 and n2 own this shard (2 replicas)
//
// So all nodes have exactly the same number of virtual nodes near, half-far and far from their
// shards, and the variance of the load is about half that of a ring of random points: loads
// need less correction, and what is not corrected does not move when a node joins or leaves.
//
// The permutation is computed, not stored: multiplications by odd numbers and xor-shifts, all
// of them bijections of log2(S) bits. Everything is a function of the node's id alone.
//
// A node may have fewer than S virtual nodes: those of its lowest ranks. Then some arcs are without
// one, and the walk from a shard goes on over the arcs that follow:
//
//     lap 0   the node visits the shards on whose arcs it has virtual nodes, in the order of ranks
//     lap 1   the shards one arc before these, in the same order
//     lap 2   two arcs before ... until it has visited every shard (`visits`)

/** Constants of one node's permutation and offsets, derived from its id. */
export interface VirtualNodes {
  /** Number of virtual nodes, 1 .. S. */
  readonly count: number;
  /** Number of visits after which the node has visited every shard. */
  readonly visits: number;
  readonly shardMask: number;
  readonly shift: number;
  readonly offsetSeed: number;
  readonly multipliers: readonly [number, number, number];
  readonly addends: readonly [number, number];
}

const GOLDEN = 0x9e3779b1;

/** Number of virtual nodes of a node of this weight, if one of weight 1 has `perWeight`. */
export function virtualNodeCount(perWeight: number, weight: number, shardCount: number): number {
  return Math.min(shardCount, Math.round(perWeight * weight));
}

/**
 * The `count` virtual nodes of the node named `id` on a ring of `shardCount` (a power of two) arcs.
 */
export function virtualNodesOf(id: string, shardCount: number, count = shardCount): VirtualNodes {
  const low = hashText(id, 0x5bd1e995);
  const high = hashText(id, 0x27d4eb2f);
  const draw = (index: number): number => mix(mix(low + Math.imul(index, GOLDEN)) ^ high);
  const all = {
    count: shardCount,
    visits: shardCount,
    shardMask: shardCount - 1,
    shift: Math.max(1, Math.log2(shardCount) >>> 1),
    offsetSeed: draw(0),
    multipliers: [draw(1) | 1, draw(2) | 1, draw(3) | 1],
    addends: [draw(4), draw(5)],
  } as const;
  return count >= shardCount ? all : { ...all, count, visits: count * widestGap(all, count) };
}

/** The largest distance, in arcs, between successive virtual nodes of the first `count` ranks. */
function widestGap(nodes: VirtualNodes, count: number): number {
  const shardCount = nodes.shardMask + 1;
  const isTaken = new Uint8Array(shardCount);
  for (let rank = 0; rank < count; rank++) isTaken[shardAtRank(nodes, rank)] = 1;
  let widest = 0;
  let last = isTaken.lastIndexOf(1) - shardCount;
  for (let arc = 0; arc < shardCount; arc++) {
    if (isTaken[arc] === 0) continue;
    widest = Math.max(widest, arc - last);
    last = arc;
  }
  return widest;
}

/** The rank of the virtual node used for this visit. Laps repeat the ranks. */
export function rankAtVisit({ count }: VirtualNodes, visit: number): number {
  return visit % count;
}

/** The shard of this visit: the shard at the rank, one arc earlier in each further lap. */
export function shardAtVisit(nodes: VirtualNodes, visit: number): number {
  const lap = Math.floor(visit / nodes.count);
  return (shardAtRank(nodes, visit % nodes.count) - lap) & nodes.shardMask;
}

/** The shard on whose arc the virtual node of this rank lies; a bijection of 0 .. S-1. */
export function shardAtRank(nodes: VirtualNodes, rank: number): number {
  const { shardMask, shift, multipliers, addends } = nodes;
  let shard = Math.imul(rank + addends[0], multipliers[0]) & shardMask;
  shard ^= shard >>> shift;
  shard = (Math.imul(shard, multipliers[1]) + addends[1]) & shardMask;
  shard ^= shard >>> shift;
  shard = Math.imul(shard, multipliers[2]) & shardMask;
  return shard ^ (shard >>> shift);
}

/** The position of this rank's virtual node within its step: 0 .. 2^32 - 1. */
export function offsetAtRank(nodes: VirtualNodes, rank: number): number {
  return mix(nodes.offsetSeed ^ Math.imul(rank + 1, GOLDEN));
}

/**
 * The finaliser of MurmurHash3 (public domain, Austin Appleby): every input bit affects every
 * output bit.
 */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function hashText(text: string, seed: number): number {
  let hash = seed;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), GOLDEN);
    hash ^= hash >>> 15;
  }
  return mix(hash ^ text.length);
}
