// Which segments answer for which version: (keyspace, version) -> shard -> segments.
//
// A manifest says which segments a version consists of; the holdings say which of them are here.
// A table is made again when either changes, so that the hot path does no more than index an array:
//
//   tables.get(uid)?.get(version)   -> VersionTable
//   table.shards[shard]             -> segments, newest first | undefined: not here
//
// An empty list is an answer (the version has no records in that shard); undefined never is.

import type { Manifest, SegmentInfo } from '../proto/gen/stele/v1/segment.ts';
import type { VersionRef } from '../proto/gen/stele/v1/datanode.ts';
import type { Segment } from '../segment/reader.ts';
import type { Holdings } from './holdings.ts';

export interface VersionTable {
  readonly keyspaceUid: string;
  readonly version: number;
  /** By shard; newest segment first. */
  readonly shards: readonly (readonly Segment[] | undefined)[];
  /** Records in the shards that are here. */
  readonly records: number;
}

interface KnownManifest {
  readonly manifest: Manifest;
  readonly segmentIds: ReadonlySet<string>;
}

export class VersionTables {
  readonly #holdings: Holdings;
  readonly #manifests = new Map<string, Map<number, KnownManifest>>();
  readonly #tables = new Map<string, Map<number, VersionTable>>();

  constructor(holdings: Holdings) {
    this.#holdings = holdings;
    holdings.onChange(({ keyspaceUid, segmentId }) => this.#invalidate(keyspaceUid, segmentId));
  }

  has(keyspaceUid: string, version: number): boolean {
    return this.#manifests.get(keyspaceUid)?.has(version) ?? false;
  }

  put(manifest: Manifest): void {
    let versions = this.#manifests.get(manifest.keyspaceUid);
    if (versions === undefined) {
      versions = new Map();
      this.#manifests.set(manifest.keyspaceUid, versions);
    }
    const segmentIds = new Set(manifest.segments.map((segment) => segment.id));
    versions.set(manifest.version, { manifest, segmentIds });
    this.#tables.get(manifest.keyspaceUid)?.delete(manifest.version);
  }

  remove(ref: VersionRef): void {
    this.#tables.get(ref.keyspaceUid)?.delete(ref.version);
    const versions = this.#manifests.get(ref.keyspaceUid);
    versions?.delete(ref.version);
    if (versions?.size === 0) this.#manifests.delete(ref.keyspaceUid);
  }

  get(keyspaceUid: string, version: number): VersionTable | undefined {
    const made = this.#tables.get(keyspaceUid)?.get(version);
    if (made !== undefined) return made;
    const known = this.#manifests.get(keyspaceUid)?.get(version);
    return known === undefined ? undefined : this.#make(known.manifest);
  }

  /** The manifest's segments that are here, described from their own verified bytes. */
  heldOf(manifest: Manifest): SegmentInfo[] {
    return manifest.segments.flatMap(({ id }) => {
      const held = this.#holdings.get(manifest.keyspaceUid, id)?.meta;
      if (held === undefined) return [];
      const { digest, fileBytes, keyBytes, records, shard, valueBytes } = held;
      return [{ id, shard, fileBytes, records, keyBytes, valueBytes, digest }];
    });
  }

  /** Segments of a load in progress belong to no manifest: taking them in disturbs no table. */
  #invalidate(keyspaceUid: string, segmentId: string): void {
    for (const [version, known] of this.#manifests.get(keyspaceUid) ?? []) {
      if (known.segmentIds.has(segmentId)) this.#tables.get(keyspaceUid)?.delete(version);
    }
  }

  #make(manifest: Manifest): VersionTable {
    const shards: (Segment[] | undefined)[] = Array.from({ length: manifest.shardCount }, () => []);
    let records = 0;
    for (const { id, shard } of manifest.segments) {
      const segment = this.#holdings.get(manifest.keyspaceUid, id);
      if (segment === undefined) {
        shards[shard] = undefined;
        continue;
      }
      // The manifest lists oldest first; a reader wants the newest delta first.
      shards[shard]?.unshift(segment);
    }
    for (const segments of shards) {
      for (const segment of segments ?? []) records += segment.meta.records;
    }
    const table: VersionTable = {
      keyspaceUid: manifest.keyspaceUid,
      version: manifest.version,
      shards,
      records,
    };
    let tables = this.#tables.get(manifest.keyspaceUid);
    if (tables === undefined) {
      tables = new Map();
      this.#tables.set(manifest.keyspaceUid, tables);
    }
    tables.set(manifest.version, table);
    return table;
  }
}
