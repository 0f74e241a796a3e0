// Which segments answer for which version: (keyspace, version) -> shard -> segments.
//
// A manifest says which segments a version consists of; the holdings say which of them are here. A
// table is rebuilt when either changes, so that the hot path only indexes arrays:
//
//   tables.get(uid)?.get(version)   -> VersionTable
//   table.shards[shard]             -> segments, newest first | undefined: not here, or not all in memory
//   table.diskShards[shard]         -> segments of which some are on disk | undefined
//
// An empty list is an answer (the version has no records in that shard); undefined is not. A lookup
// in memory does not look at `diskShards` at all: the disk tier costs it nothing.
//
// When deltas are merged, a version gets another manifest with the same records in other segments.
// Until all of those are here, a shard is answered from its previous segments:
//
//   chains[shard]   [merged]            <- first choice, once it is here; the other is then forgotten
//                   [base, d1, .. d5]

import type { Manifest, RecordTotals, SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import type { VersionRef } from '../../proto/gen/stele/v1/datanode.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { Segment } from '../../segment/reader.ts';
import { KeyspaceReads } from '../read-stats/keyspace-reads.ts';
import { isInMemory } from './holdings.ts';
import type { Holdings, ReadableSegment } from './holdings.ts';

/** Manifests of one version that are kept side by side: the newest, and older ones still in use. */
const CHAINS_MAX = 4;

export interface VersionTable {
  readonly keyspaceUid: string;
  readonly version: number;
  /** Segments by shard, newest first; undefined if the shard is not here, or in `diskShards`. */
  readonly shards: readonly (readonly Segment[] | undefined)[];
  /** Shards that are here, with a segment whose records are on disk. */
  readonly diskShards: readonly (readonly ReadableSegment[] | undefined)[];
  readonly isAnyOnDisk: boolean;
  /** Records by shard, 0 if it is not here; a record that a delta overwrites does not count. */
  readonly recordsByShard: readonly number[];
  /** The sum of `recordsByShard`. */
  readonly records: number;
  /** Of all versions of the keyspace. */
  readonly reads: KeyspaceReads;
}

/** The segments of a shard, in memory or on disk, newest first; undefined if it is not here. */
export function segmentsOf(
  { diskShards, shards }: VersionTable,
  shard: number,
): readonly ReadableSegment[] | undefined {
  return shards[shard] ?? diskShards[shard];
}

/** Whether all segments of a shard are here, in memory or on disk. */
export function holdsShard(table: VersionTable, shard: number): boolean {
  return segmentsOf(table, shard) !== undefined;
}

/** The segments of one shard, oldest first, and their number of distinct records. */
interface Chain {
  readonly ids: readonly string[];
  readonly records: number;
}

interface KnownVersion {
  /** Restored from an earlier process: the master has not sent it again yet. */
  readonly isRestored: boolean;
  /** The manifest of the highest revision with its fingerprint. */
  readonly manifest: Manifest;
  /** Chains that may answer, by shard, first choice first. At least one per shard. */
  readonly chains: Chain[][];
  readonly segmentIds: ReadonlySet<string>;
}

export class VersionTables {
  /** While set there are no tables, so this node answers no reads. */
  isPaused = false;
  readonly #holdings: Holdings;
  readonly #manifests = new Map<string, Map<number, KnownVersion>>();
  readonly #tables = new Map<string, Map<number, VersionTable>>();
  readonly #reads = new Map<string, KeyspaceReads>();
  /** The reads of keyspaces whose last version is gone, together. */
  readonly readsGone = { hits: 0, misses: 0, valueBytes: 0 };

  constructor(holdings: Holdings) {
    this.#holdings = holdings;
    holdings.onChange(({ keyspaceUid, segmentId }) => this.#invalidate(keyspaceUid, segmentId));
  }

  /**
   * Whether the master has sent a manifest with this content to this process. A manifest with other
   * content under the number is removed.
   */
  has(keyspaceUid: string, version: number, fingerprint: string): boolean {
    const known = this.#manifests.get(keyspaceUid)?.get(version);
    if (known === undefined) return false;
    if (known.manifest.fingerprint === fingerprint) return !known.isRestored;
    this.remove({ keyspaceUid, version });
    return false;
  }

  /** The versions of a view for which `has` is false. */
  missingOf({ keyspaces }: Pick<ClusterView, 'keyspaces'>): VersionRef[] {
    return keyspaces.flatMap(({ fingerprints, uid, versions }) =>
      versions
        .filter((version, at) => !this.has(uid, version, fingerprints[at] ?? ''))
        .map((version) => ({ keyspaceUid: uid, version })),
    );
  }

  /**
   * Stores a manifest, and returns the one that answers for the version from now on: with the same
   * content, the one of the highest revision; a manifest with other content replaces the known one.
   */
  put(manifest: Manifest, isRestored = false): Manifest {
    let versions = this.#manifests.get(manifest.keyspaceUid);
    if (versions === undefined) {
      versions = new Map();
      this.#manifests.set(manifest.keyspaceUid, versions);
    }
    const known = versions.get(manifest.version);
    const before = known?.manifest.fingerprint === manifest.fingerprint ? known : undefined;
    const isOlder = before !== undefined && before.manifest.revision > manifest.revision;
    // What the master says now overrides what it said to an earlier process.
    if (isOlder && !before.isRestored) return before.manifest;
    versions.set(manifest.version, { ...knownVersion(manifest, before), isRestored });
    this.#tables.get(manifest.keyspaceUid)?.delete(manifest.version);
    return manifest;
  }

  remove(ref: VersionRef): void {
    this.#tables.get(ref.keyspaceUid)?.delete(ref.version);
    const versions = this.#manifests.get(ref.keyspaceUid);
    versions?.delete(ref.version);
    if (versions?.size !== 0) return;
    this.#manifests.delete(ref.keyspaceUid);
    const { hits = 0, misses = 0, valueBytes = 0 } = this.#reads.get(ref.keyspaceUid) ?? {};
    this.readsGone.hits += hits;
    this.readsGone.misses += misses;
    this.readsGone.valueBytes += valueBytes;
    this.#reads.delete(ref.keyspaceUid);
  }

  /** The reads of each keyspace that has been read from, by its uid. */
  get reads(): ReadonlyMap<string, KeyspaceReads> {
    return this.#reads;
  }

  get(keyspaceUid: string, version: number): VersionTable | undefined {
    if (this.isPaused) return undefined;
    const made = this.#tables.get(keyspaceUid)?.get(version);
    if (made !== undefined) return made;
    const known = this.#manifests.get(keyspaceUid)?.get(version);
    return known === undefined ? undefined : this.#make(known);
  }

  /** Those of the manifest's segments that are here, described from their own verified bytes. */
  heldOf(manifest: Pick<Manifest, 'keyspaceUid' | 'segments'>): SegmentInfo[] {
    return manifest.segments.flatMap(({ id }) => {
      const held = this.#holdings.readable(manifest.keyspaceUid, id)?.meta;
      if (held === undefined) return [];
      const { digest, fileBytes, keyBytes, records, shard, valueBytes } = held;
      return [{ id, shard, fileBytes, records, keyBytes, valueBytes, digest }];
    });
  }

  /** The segments that may answer for a version; undefined if it is unknown. */
  segmentIdsOf(keyspaceUid: string, version: number): ReadonlySet<string> | undefined {
    return this.#manifests.get(keyspaceUid)?.get(version)?.segmentIds;
  }

  /**
   * Drops the tables that use the segment. Segments of a load in progress belong to no manifest, so
   * they affect no table.
   */
  #invalidate(keyspaceUid: string, segmentId: string): void {
    for (const [version, known] of this.#manifests.get(keyspaceUid) ?? []) {
      if (known.segmentIds.has(segmentId)) this.#tables.get(keyspaceUid)?.delete(version);
    }
  }

  #make({ chains, manifest }: KnownVersion): VersionTable {
    const { keyspaceUid, version } = manifest;
    const recordsByShard = chains.map(() => 0);
    const readable = chains.map((choices, shard) => {
      for (const [index, chain] of choices.entries()) {
        const segments = this.#segmentsOf(keyspaceUid, chain);
        if (segments === undefined) continue;
        // The first choice is here, so the others are no longer needed.
        if (index === 0) choices.length = 1;
        recordsByShard[shard] = chain.records;
        return segments;
      }
      return undefined;
    });
    const shards = readable.map((segments) =>
      segments?.every(isInMemory) === true ? segments : undefined,
    );
    const diskShards = readable.map((segments, shard) =>
      shards[shard] === undefined ? segments : undefined,
    );
    const records = recordsByShard.reduce((sum, count) => sum + count, 0);
    const reads = this.#readsOf(keyspaceUid);
    const table: VersionTable = {
      keyspaceUid,
      version,
      shards,
      diskShards,
      isAnyOnDisk: diskShards.some((segments) => segments !== undefined),
      recordsByShard,
      records,
      reads,
    };
    let tables = this.#tables.get(keyspaceUid);
    if (tables === undefined) {
      tables = new Map();
      this.#tables.set(keyspaceUid, tables);
    }
    tables.set(version, table);
    return table;
  }

  #readsOf(keyspaceUid: string): KeyspaceReads {
    let reads = this.#reads.get(keyspaceUid);
    if (reads === undefined) this.#reads.set(keyspaceUid, (reads = new KeyspaceReads()));
    return reads;
  }

  /** The chain's segments, newest first as readers want them; undefined unless all are here. */
  #segmentsOf(keyspaceUid: string, { ids }: Chain): ReadableSegment[] | undefined {
    const segments: ReadableSegment[] = [];
    for (const id of ids) {
      const segment = this.#holdings.readable(keyspaceUid, id);
      if (segment === undefined) return undefined;
      segments.unshift(segment);
    }
    return segments;
  }
}

/**
 * Older chains stay if they have the same records; a manifest with other records replaces them at
 * once.
 */
function knownVersion(
  manifest: Manifest,
  before: KnownVersion | undefined,
): Omit<KnownVersion, 'isRestored'> {
  const isSame =
    before?.manifest.digest.equals(manifest.digest) === true &&
    before.manifest.records === manifest.records;
  const chains = chainsOf(manifest).map((chain, shard) => {
    const older = isSame ? (before.chains[shard] ?? []) : [];
    const others = older.filter((other) => other.ids.join() !== chain.ids.join());
    return [chain, ...others].slice(0, CHAINS_MAX);
  });
  const segmentIds = new Set(chains.flat().flatMap(({ ids }) => ids));
  return { manifest, chains, segmentIds };
}

function chainsOf(manifest: Manifest): Chain[] {
  const overwritten = new Map(manifest.overwritten.map((one) => [one.segmentId, one.totals]));
  const chains = Array.from(
    { length: manifest.shardCount },
    (): { ids: string[]; records: number } => ({
      ids: [],
      records: 0,
    }),
  );
  for (const { id, records, shard } of manifest.segments) {
    const chain = chains[shard];
    if (chain === undefined) continue;
    chain.ids.push(id);
    chain.records += records - recordsOf(overwritten.get(id));
  }
  return chains;
}

function recordsOf(totals: RecordTotals | undefined): number {
  return totals?.records ?? 0;
}
