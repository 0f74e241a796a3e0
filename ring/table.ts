// The table of a placement in progress: the owners found so far for every shard, and each node's
// load.
//
// Invariants: a shard's owners are distinct and at most `replication`; `missing` is the number of
// replicas without an owner. Nodes are small integers; names stay outside.
//
// The number of owners of a shard that may share a zone (or host) follows by counting: with D
// distinct zones for R replicas, at most R - D owners may repeat one.

import assert from 'node:assert/strict';
import type { QuotaNode } from './quota.ts';

export class Table {
  readonly nodeCount: number;
  readonly shardCount: number;
  readonly replication: number;
  missing: number;

  readonly #nodes: readonly QuotaNode[];
  readonly #shares: Float64Array;
  readonly #loadsMax: Float64Array;
  readonly #loads: Int32Array;
  /** shardCount x replication node indexes, filled from the left. */
  readonly #owners: Int32Array;
  readonly #ownerCounts: Uint8Array;
  readonly #zoneRepeatsMax: number;
  readonly #hostRepeatsMax: number;

  constructor(
    nodes: readonly QuotaNode[],
    shares: Float64Array,
    loadsMax: Float64Array,
    shardCount: number,
    replication: number,
  ) {
    this.nodeCount = nodes.length;
    this.shardCount = shardCount;
    this.replication = replication;
    this.missing = shardCount * replication;
    this.#nodes = nodes;
    this.#shares = shares;
    this.#loadsMax = loadsMax;
    this.#loads = new Int32Array(nodes.length);
    this.#owners = new Int32Array(shardCount * replication).fill(-1);
    this.#ownerCounts = new Uint8Array(shardCount);
    this.#zoneRepeatsMax = Math.max(0, replication - new Set(nodes.map((node) => node.zone)).size);
    this.#hostRepeatsMax = Math.max(0, replication - new Set(nodes.map((node) => node.host)).size);
  }

  shareOf(node: number): number {
    return this.#shares[node] ?? 0;
  }

  loadOf(node: number): number {
    return this.#loads[node] ?? 0;
  }

  hasRoom(node: number): boolean {
    return this.loadOf(node) < (this.#loadsMax[node] ?? 0);
  }

  ownerCountOf(shard: number): number {
    return this.#ownerCounts[shard] ?? 0;
  }

  /** A copy of the shard's owners, first owner first. */
  ownersOf(shard: number): number[] {
    const start = shard * this.replication;
    return [...this.#owners.subarray(start, start + this.ownerCountOf(shard))];
  }

  owns(shard: number, node: number): boolean {
    const start = shard * this.replication;
    const end = start + this.ownerCountOf(shard);
    for (let at = start; at < end; at++) if (this.#owners[at] === node) return true;
    return false;
  }

  /**
   * Whether `node`, not an owner yet, is far enough from the owners to become one. Ignores its
   * load.
   */
  accepts(shard: number, node: number): boolean {
    return this.ownerCountOf(shard) < this.replication && this.#isApart(shard, node, -1);
  }

  /**
   * Whether `node`, not an owner yet, is far enough to replace the owner `leaver`. Ignores its
   * load.
   */
  acceptsInstead(shard: number, node: number, leaver: number): boolean {
    return this.#isApart(shard, node, leaver);
  }

  add(shard: number, node: number): void {
    const count = this.ownerCountOf(shard);
    assert(count < this.replication, 'a shard has no more owners than replicas');
    this.#owners[shard * this.replication + count] = node;
    this.#ownerCounts[shard] = count + 1;
    this.#loads[node] = this.loadOf(node) + 1;
    this.missing--;
  }

  replace(shard: number, leaver: number, node: number): void {
    this.#owners[this.#placeOf(shard, leaver)] = node;
    this.#loads[leaver] = this.loadOf(leaver) - 1;
    this.#loads[node] = this.loadOf(node) + 1;
  }

  /** Makes the owner `node` the first one; swaps places with the present first owner. */
  makeFirst(shard: number, node: number): void {
    const start = shard * this.replication;
    const place = this.#placeOf(shard, node);
    this.#owners[place] = this.#owners[start] ?? -1;
    this.#owners[start] = node;
  }

  /**
   * Distance of `node` from the shard's owners: 2 for a new zone, 1 for a new host in a known zone,
   * else 0.
   */
  apartness(shard: number, node: number): number {
    const owners = this.ownersOf(shard);
    const { zone, host } = this.#nodeAt(node);
    if (!owners.some((owner) => this.#nodeAt(owner).zone === zone)) return 2;
    return owners.some((owner) => this.#nodeAt(owner).host === host) ? 0 : 1;
  }

  /**
   * Whether the owners, without `leaver` and with `node`, repeat no more zones and hosts than they
   * have to.
   */
  #isApart(shard: number, node: number, leaver: number): boolean {
    const start = shard * this.replication;
    const end = start + this.ownerCountOf(shard);
    let zoneRepeats = 0;
    let hostRepeats = 0;
    for (let at = start; at <= end; at++) {
      const later = this.#nodeAt(at === end ? node : (this.#owners[at] ?? -1));
      if (at < end && this.#owners[at] === leaver) continue;
      let zoneSeen = false;
      let hostSeen = false;
      for (let before = start; before < at; before++) {
        if (this.#owners[before] === leaver) continue;
        const earlier = this.#nodeAt(this.#owners[before] ?? -1);
        zoneSeen ||= earlier.zone === later.zone;
        hostSeen ||= earlier.host === later.host;
      }
      if (zoneSeen) zoneRepeats++;
      if (hostSeen) hostRepeats++;
    }
    return zoneRepeats <= this.#zoneRepeatsMax && hostRepeats <= this.#hostRepeatsMax;
  }

  #placeOf(shard: number, node: number): number {
    const start = shard * this.replication;
    const place = this.#owners.subarray(start, start + this.replication).indexOf(node);
    assert(place >= 0, 'only an owner can be replaced or moved');
    return start + place;
  }

  #nodeAt(node: number): QuotaNode {
    const found = this.#nodes[node];
    assert(found !== undefined);
    return found;
  }
}
