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
// shards, and the variance of the load is about half of that of a ring of random points: loads
// need less correction, and what is not corrected does not move when a node joins or leaves.
//
// The permutation is computed, not stored: multiplications by odd numbers and xor-shifts, all
// of them bijections of log2(S) bits. Everything is a function of the node's id alone.

/** Constants of one node's permutation and offsets, drawn from its id. */
export interface VirtualNodes {
  readonly shardMask: number;
  readonly shift: number;
  readonly offsetSeed: number;
  readonly multipliers: readonly [number, number, number];
  readonly addends: readonly [number, number];
}

const GOLDEN = 0x9e3779b1;

/** The virtual nodes of the node named `id` on a ring of `shardCount` (a power of two) arcs. */
export function virtualNodesOf(id: string, shardCount: number): VirtualNodes {
  const low = hashText(id, 0x5bd1e995);
  const high = hashText(id, 0x27d4eb2f);
  const draw = (index: number): number => mix(mix(low + Math.imul(index, GOLDEN)) ^ high);
  return {
    shardMask: shardCount - 1,
    shift: Math.max(1, Math.log2(shardCount) >>> 1),
    offsetSeed: draw(0),
    multipliers: [draw(1) | 1, draw(2) | 1, draw(3) | 1],
    addends: [draw(4), draw(5)],
  };
}

/** The shard on whose arc the node has its virtual node of this rank; a bijection of 0 .. S-1. */
export function shardAtRank(nodes: VirtualNodes, rank: number): number {
  const { shardMask, shift, multipliers, addends } = nodes;
  let shard = Math.imul(rank + addends[0], multipliers[0]) & shardMask;
  shard ^= shard >>> shift;
  shard = (Math.imul(shard, multipliers[1]) + addends[1]) & shardMask;
  shard ^= shard >>> shift;
  shard = Math.imul(shard, multipliers[2]) & shardMask;
  return shard ^ (shard >>> shift);
}

/** Where within its step the virtual node of this rank lies: 0 .. 2^32 - 1. */
export function offsetAtRank(nodes: VirtualNodes, rank: number): number {
  return mix(nodes.offsetSeed ^ Math.imul(rank + 1, GOLDEN));
}

/** The finaliser of MurmurHash3 (public domain, Austin Appleby): every input bit reaches every output bit. */
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
