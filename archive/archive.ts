// An archive in an object store: marks, manifests and snapshots (layout.ts).

import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import {
  MARK_NAME,
  SEGMENTS,
  SNAPSHOTS,
  decodeManifest,
  decodeMark,
  decodeSnapshot,
  encodeManifest,
  encodeMark,
  encodeSnapshot,
} from './layout.ts';
import type { ArchiveMark, ArchivedManifest, Snapshot } from './archived.ts';
import type { EncodedObject } from './named-json.ts';
import { bodyOfBytes, readObject, requireConditions } from './open-store.ts';
import type { ObjectStore, StoreCallOptions } from './object-store.ts';

const MARK_BYTES_MAX = 64 * 1024;
/** 4,096 shards with 100 deltas each have 410,000 segments of about 250 bytes. */
const MANIFEST_BYTES_MAX = 256 * 1024 * 1024;
const SNAPSHOT_BYTES_MAX = 256 * 1024 * 1024;

export class Archive {
  readonly store: ObjectStore;

  constructor(store: ObjectStore) {
    this.store = store;
  }

  /**
   * Makes the store the archive of a cluster, if it is none yet. Throws CONFLICT if it is the
   * archive of another cluster, UNSUPPORTED for a store in which two clusters could overwrite each
   * other's.
   */
  async claim(mark: ArchiveMark, options?: StoreCallOptions): Promise<void> {
    let found = await this.mark(options);
    if (found === undefined) {
      await requireConditions(this.store, options);
      try {
        const body = bodyOfBytes(encodeMark(mark));
        await this.store.put(MARK_NAME, body, { ...options, ifAbsent: true });
        return;
      } catch (thrown) {
        if (!(thrown instanceof SteleError) || thrown.code !== 'CONFLICT') throw thrown;
        found = await this.mark(options);
      }
    }
    this.#requireOwn(found?.clusterId ?? '', mark.clusterId);
  }

  /** Throws CONFLICT if the store is the archive of another cluster; it need not be one yet. */
  async refuseForeign(clusterId: string, options?: StoreCallOptions): Promise<void> {
    const found = await this.mark(options);
    if (found !== undefined) this.#requireOwn(found.clusterId, clusterId);
  }

  #requireOwn(found: string, own: string): void {
    if (found === own) return;
    throw new SteleError(
      'CONFLICT',
      `${this.store.url} is the archive of another cluster (${shorten(found)}); use another folder or prefix.`,
    );
  }

  /** Throws NOT_FOUND if the store is not an archive; CORRUPT, UNKNOWN_FORMAT. */
  async requireMark(options?: StoreCallOptions): Promise<void> {
    if ((await this.mark(options)) !== undefined) return;
    const text = `${this.store.url} is not an archive of Stele: there is no ${MARK_NAME}; check the URL.`;
    throw new SteleError('NOT_FOUND', text);
  }

  /** The bytes of the segments of a keyspace that are there, by the names of their objects. */
  async segmentSizes(
    keyspaceUid: string,
    options?: StoreCallOptions,
  ): Promise<Map<string, number>> {
    const sizes = new Map<string, number>();
    for await (const { byteCount, name } of this.store.list(
      `${SEGMENTS}${keyspaceUid}/`,
      options,
    )) {
      sizes.set(name, byteCount);
    }
    return sizes;
  }

  /** Undefined if the store is not an archive. Throws CORRUPT, UNKNOWN_FORMAT. */
  async mark(options?: StoreCallOptions): Promise<ArchiveMark | undefined> {
    try {
      return decodeMark(await readObject(this.store, MARK_NAME, MARK_BYTES_MAX, options));
    } catch (thrown) {
      if (thrown instanceof SteleError && thrown.code === 'NOT_FOUND') return undefined;
      throw thrown;
    }
  }

  /** Writes a manifest, whose segments are there. Resolves to its name. */
  async putManifest(manifest: ArchivedManifest, options?: StoreCallOptions): Promise<string> {
    return this.#put(encodeManifest(manifest), options);
  }

  /** Throws NOT_FOUND, CORRUPT, UNKNOWN_FORMAT. */
  async manifest(name: string, options?: StoreCallOptions): Promise<ArchivedManifest> {
    const bytes = await readObject(this.store, name, MANIFEST_BYTES_MAX, options);
    return decodeManifest(name, bytes);
  }

  /** Writes a snapshot, whose manifests are there. Resolves to its name. */
  async putSnapshot(snapshot: Snapshot, options?: StoreCallOptions): Promise<string> {
    return this.#put(encodeSnapshot(snapshot), options);
  }

  /** The names of all snapshots, newest first, with the times at which they were written. */
  async snapshots(
    options?: StoreCallOptions,
  ): Promise<readonly { readonly name: string; readonly modifiedMs: number }[]> {
    const found = [];
    for await (const { modifiedMs, name } of this.store.list(SNAPSHOTS, options)) {
      if (name.endsWith('.json')) found.push({ name, modifiedMs });
    }
    return found.toReversed();
  }

  /** Throws NOT_FOUND, CORRUPT, UNKNOWN_FORMAT. */
  async snapshot(name: string, options?: StoreCallOptions): Promise<Snapshot> {
    const bytes = await readObject(this.store, name, SNAPSHOT_BYTES_MAX, options);
    return decodeSnapshot(name, bytes);
  }

  async #put({ bytes, name }: EncodedObject, options?: StoreCallOptions): Promise<string> {
    await this.store.put(name, bodyOfBytes(bytes), options);
    return name;
  }
}
