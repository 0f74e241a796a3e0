// Which nodes can answer for a key, and which of them to ask: a table that is rebuilt for each
// view.
//
//   key -> slot -> shard -> replicas[shard] = [SERVING..., DRAINING..., SUSPECT...] in route order
//
// Of two untried replicas, chosen at random, the one with fewer keys in flight is asked (the power
// of two choices); ties alternate. One that is much slower than the other is passed over. A node
// that has just failed, or that is SUSPECT, is asked only when no other is left, so that not every
// key pays for its failure (node-slot.ts). Among the rest, replicas in the reader's own zone come
// first.

import type { ClusterView, KeyspaceView, NodeView } from '../proto/gen/stele/v1/view.ts';
import { NodeState } from '../proto/gen/stele/v1/view.ts';
import { isAnswering } from '../proto/view-words.ts';
import { SteleError, suspendedError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import type { LookupTargetRef } from '../proto/ports.ts';
import { isFull, isSlower, newSlot, noteReturn } from './node-slot.ts';
import type { NodeSlot } from './node-slot.ts';

/** Maximum number of replicas considered per shard: the bits of a `tried` mask. */
const REPLICAS_CONSIDERED_MAX = 16;

/** One dataset that reads go to: one version of one keyspace. */
export interface LookupTarget extends LookupTargetRef {
  readonly keyspace: string;
  /** The fingerprint of this version in the view (`KeyspaceView.fingerprints`). */
  readonly fingerprint: string;
  /** A number for (uid, version, fingerprint) in this process: 1, 2, 3 ... */
  readonly dataset: number;
  /** Whether values of the dataset may be cached. */
  readonly cached: boolean;
  /**
   * Cache counters of the keyspace, all versions together. The owner of the cache increments them.
   */
  readonly cacheCounts: CacheCounts;
  /** Shards that may not have reported yet (ShardBits); undefined once all have. */
  readonly starting: ShardBits | undefined;
}

/** A set of shards: shard s is bit s % 8 of byte s / 8. */
type ShardBits = Uint8Array;

export interface CacheCounts {
  hits: number;
  misses: number;
}

export interface RouteTable {
  readonly view: ClusterView;
  readonly shardCount: number;
  /** Indexed by shard; best replica first. */
  readonly replicas: readonly (readonly NodeSlot[])[];
}

export const NONE_LEFT = -1;
export const ALL_BUSY = -2;

export interface RouterOptions {
  /** The reader's zone. Empty: no zone is preferred. */
  readonly zone?: string;
}

export class Router {
  readonly #zone: string;
  #table: RouteTable = emptyTable();
  #nodes = new Map<string, NodeSlot>();
  #keyspaces = new Map<string, KeyspaceView>();
  #targets = new Map<string, LookupTarget>();
  /** Indexed by keyspace uid. */
  readonly #cacheCounts = new Map<string, CacheCounts>();
  /** The datasets of reads of the current version, by keyspace name. Cleared with each view. */
  readonly #current = new Map<string, LookupTarget>();
  #nextDataset = 1;
  #tie = 0;
  #random = 0x9e3779b9 | 0;
  /** By keyspace uid: shards for which no view so far had a replica. Empty once `open`. */
  #starting = new Map<string, ShardBits | undefined>();
  #open = false;

  constructor({ zone = '' }: RouterOptions = {}) {
    this.#zone = zone;
  }

  /**
   * Whether startup is over: from now on a shard without a replica is unavailable, not yet to be
   * reported. Keyspaces and shards that had a replica in some view are read before that.
   */
  get open(): boolean {
    return this.#open;
  }

  /** Whether at least one keyspace can be read completely. */
  get readsSome(): boolean {
    if (this.#open) return true;
    for (const { currentVersion, suspended, uid } of this.#keyspaces.values()) {
      const isRead = currentVersion > 0 && suspended !== true;
      if (isRead && this.#starting.get(uid) === undefined) return true;
    }
    return false;
  }

  get table(): RouteTable {
    return this.#table;
  }

  nodes(): IterableIterator<NodeSlot> {
    return this.#nodes.values();
  }

  /** Adopts a view. Nodes that stay keep their in-flight counts. */
  update(view: ClusterView): void {
    const nodes = new Map<string, NodeSlot>();
    for (const node of view.nodes) {
      const slot = this.#nodes.get(node.id) ?? newSlot(node.id);
      const suspect = node.state === NodeState.SUSPECT;
      if (slot.suspect && !suspect) noteReturn(slot);
      slot.suspect = suspect;
      slot.isNear = this.#zone !== '' && node.zone === this.#zone;
      nodes.set(node.id, slot);
    }
    this.#nodes = nodes;
    this.#keyspaces = new Map(view.keyspaces.map((keyspace) => [keyspace.name, keyspace]));
    this.#open ||= view.ready || view.settled === true;
    this.#starting = this.#stillStarting(view);
    this.#table = {
      view,
      shardCount: view.shardCount,
      replicas: view.routes.map((route) => this.#replicasOf(view, route.nodes)),
    };
    this.#current.clear();
    this.#forgetTargets();
  }

  /**
   * The dataset that a read of `keyspace` goes to; `version` 0 is the current one. Throws
   * KEYSPACE_NOT_FOUND, VERSION_NOT_FOUND, SUSPENDED; UNINITIALIZED before `open` for a keyspace
   * that is unknown or has no shard that can be read yet.
   */
  target(keyspace: string, version = 0): LookupTarget {
    const current = version === 0 ? this.#current.get(keyspace) : undefined;
    if (current !== undefined) return current;
    const known = this.#keyspaces.get(keyspace);
    if (known === undefined) {
      if (!this.#open) throw notReady(this.#table.view);
      throw new SteleError(
        'KEYSPACE_NOT_FOUND',
        `There is no keyspace '${shorten(keyspace)}'; \`stele keyspaces\` lists those there are.`,
      );
    }
    if (known.suspended === true) throw suspendedError(keyspace);
    const wanted = version === 0 ? known.currentVersion : version;
    if (wanted === 0) {
      throw new SteleError(
        'UNAVAILABLE',
        `Keyspace '${keyspace}' has no committed version yet; load data with \`stele load ${keyspace} FILE\`.`,
      );
    }
    if (version !== 0 && !known.versions.includes(version)) {
      throw new SteleError(
        'VERSION_NOT_FOUND',
        `Keyspace '${keyspace}' has no version ${version}; it keeps ${known.versions.join(', ') || 'none'}.`,
      );
    }
    const target = this.#targetOf(known, wanted);
    if (isAllOf(target.starting, this.#table.shardCount)) {
      throw notReady(this.#table.view, `any shard of keyspace '${keyspace}'`);
    }
    if (version === 0) this.#current.set(keyspace, target);
    return target;
  }

  /**
   * The reason why reads of the shard are refused during startup; undefined if nodes may be asked.
   */
  notStarted({ keyspace, starting }: LookupTarget, shard: number): SteleError | undefined {
    if (starting === undefined || !hasShard(starting, shard)) return undefined;
    return notReady(this.#table.view, `shard ${shard} of keyspace '${keyspace}'`);
  }

  /**
   * The index in `replicas` of the replica to ask next, not one of the `tried` bits. Returns
   * NONE_LEFT when all were tried, ALL_BUSY when the rest have as much in flight as allowed.
   */
  choose(replicas: readonly NodeSlot[], tried: number, nowMs: number): number {
    let first = NONE_LEFT;
    let second = NONE_LEFT;
    let free = 0;
    let isNear = false;
    let avoided = NONE_LEFT;
    let busy = false;
    for (let index = 0; index < replicas.length; index++) {
      const slot = replicas[index];
      if (slot === undefined || (tried >>> index) & 1) continue;
      if (isFull(slot)) busy = true;
      else if (slot.suspect || slot.avoidUntilMs > nowMs) avoided = avoided < 0 ? index : avoided;
      else if (slot.isNear !== isNear) {
        if (isNear) continue;
        // The first one in the reader's zone: the candidates so far were farther away.
        isNear = true;
        free = 1;
        first = index;
        second = NONE_LEFT;
      } else if (++free === 1) first = index;
      else if (free === 2) second = index;
      // Reservoir sampling: all pairs are equally likely if this one replaces either with
      // probability 2 / `free`.
      else {
        const place = this.#below(free);
        if (place === 0) first = index;
        else if (place === 1) second = index;
      }
    }
    if (first < 0) return avoided >= 0 ? avoided : busy ? ALL_BUSY : NONE_LEFT;
    const one = replicas[first];
    const other = replicas[second];
    if (one === undefined || other === undefined) return first;
    if (isSlower(one, other, nowMs)) return second;
    if (isSlower(other, one, nowMs)) return first;
    const difference = one.inFlight - other.inFlight;
    if (difference !== 0) return difference < 0 ? first : second;
    this.#tie ^= 1;
    return this.#tie === 0 ? first : second;
  }

  /** A pseudo-random integer in [0, `limit`) from a cheap generator (Marsaglia's xorshift). */
  #below(limit: number): number {
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    return (this.#random >>> 0) % limit;
  }

  #stillStarting(view: ClusterView): Map<string, ShardBits | undefined> {
    const starting = new Map<string, ShardBits | undefined>();
    if (this.#open) return starting;
    for (const { uid, unserved } of view.keyspaces) {
      const before = this.#starting.has(uid) ? this.#starting.get(uid) : unserved;
      starting.set(uid, commonShards(before, unserved));
    }
    return starting;
  }

  /** The counters of the keyspaces in the view, by name. */
  *cacheCounts(): Generator<[string, CacheCounts]> {
    for (const { name, uid } of this.#keyspaces.values()) yield [name, this.#countsOf(uid)];
  }

  #targetOf(keyspace: KeyspaceView, version: number): LookupTarget {
    const fingerprint = keyspace.fingerprints[keyspace.versions.indexOf(version)] ?? '';
    const name = targetName(keyspace.uid, version, fingerprint);
    const known = this.#targets.get(name);
    const cached = keyspace.uncached !== true;
    const starting = this.#starting.get(keyspace.uid);
    if (known?.cached === cached && known.starting === starting) return known;
    const target = {
      keyspace: keyspace.name,
      keyspaceUid: keyspace.uid,
      version,
      fingerprint,
      // Cached values stay valid when a keyspace becomes uncached and cached again.
      dataset: known?.dataset ?? this.#nextDataset++,
      cached,
      cacheCounts: this.#countsOf(keyspace.uid),
      starting,
    };
    this.#targets.set(name, target);
    return target;
  }

  #countsOf(uid: string): CacheCounts {
    let counts = this.#cacheCounts.get(uid);
    if (counts === undefined) {
      counts = { hits: 0, misses: 0 };
      this.#cacheCounts.set(uid, counts);
    }
    return counts;
  }

  /** Drops targets whose version is gone, so that the table does not grow with every load. */
  #forgetTargets(): void {
    const live = new Set<string>();
    for (const keyspace of this.#keyspaces.values()) {
      for (const [at, version] of keyspace.versions.entries()) {
        live.add(targetName(keyspace.uid, version, keyspace.fingerprints[at] ?? ''));
      }
    }
    for (const name of this.#targets.keys()) if (!live.has(name)) this.#targets.delete(name);
    const uids = new Set([...this.#keyspaces.values()].map(({ uid }) => uid));
    for (const uid of this.#cacheCounts.keys()) if (!uids.has(uid)) this.#cacheCounts.delete(uid);
  }

  #replicasOf(view: ClusterView, indexes: readonly number[]): NodeSlot[] {
    const ranked: [number, NodeSlot][] = [];
    for (const index of indexes) {
      const node = view.nodes[index];
      const slot = node === undefined ? undefined : this.#nodes.get(node.id);
      if (node === undefined || slot === undefined) continue;
      const rank = rankOf(node);
      if (rank >= 0) ranked.push([rank, slot]);
    }
    ranked.sort((left, right) => left[0] - right[0]);
    return ranked.slice(0, REPLICAS_CONSIDERED_MAX).map(([, slot]) => slot);
  }
}

function targetName(uid: string, version: number, fingerprint: string): string {
  return `${uid}/${version}/${fingerprint}`;
}

/**
 * The rank of a node: lower is better, -1 means no reads. A suspect may still answer, so it comes
 * last.
 */
function rankOf(node: NodeView): number {
  switch (node.state) {
    case NodeState.SERVING:
      return 0;
    case NodeState.DRAINING:
      return 1;
    case NodeState.SUSPECT:
      return 2;
    default:
      return -1;
  }
}

function hasShard(bits: ShardBits, shard: number): boolean {
  return (((bits[shard >>> 3] ?? 0) >>> (shard & 7)) & 1) === 1;
}

function isAllOf(bits: ShardBits | undefined, shardCount: number): boolean {
  if (bits === undefined) return false;
  for (let shard = 0; shard < shardCount; shard++) if (!hasShard(bits, shard)) return false;
  return true;
}

/** The intersection; undefined if it is empty. */
function commonShards(
  left: ShardBits | undefined,
  right: ShardBits | undefined,
): ShardBits | undefined {
  if (left === undefined || right === undefined) return undefined;
  const both = left.map((bits, at) => bits & (right[at] ?? 0));
  return both.some((bits) => bits !== 0) ? both : undefined;
}

/** The error for reads during startup. `what`: the missing part; everything if omitted. */
export function notReady(view: ClusterView, what?: string): SteleError {
  const serving = view.nodes.filter((node) => isAnswering(node.state)).length;
  const missing = what === undefined ? '' : `no datanode that serves has ${what} yet, `;
  return new SteleError(
    'UNINITIALIZED',
    `The cluster is starting: ${missing}${serving} of ${view.nodes.length} known datanodes serve so far; try again shortly.`,
  );
}

function emptyTable(): RouteTable {
  return {
    view: {
      epoch: 0,
      revision: 0,
      shardCount: 0,
      replication: 0,
      nodes: [],
      routes: [],
      keyspaces: [],
      health: 0,
      ready: false,
    },
    shardCount: 0,
    replicas: [],
  };
}
