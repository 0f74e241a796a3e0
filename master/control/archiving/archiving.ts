// Keeps the deep store complete: every kept version is written there in the background, then a
// snapshot that lists all of them (docs/archive-format.md), so that the store alone brings
// everything back.
//
//   a version is committed, or its deltas were merged
//     -> datanodes write its segments     (segment-upload.ts)
//     -> its manifest is written
//     -> the catalog notes it: from then on repair may take segments from the store
//     -> a snapshot is written, once nothing more is waiting or at the latest after a while
//
// One version at a time, current ones first. One that fails is tried again later, after the others.
//
// Invariants: the catalog notes a version only if all of it is in the store; a snapshot names only
// such versions; a store that belongs to another cluster is not written to.

import type { KeyspaceUid } from '../../../base/ids.ts';
import { sleep, wallClockIso } from '../../../base/clock.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import { Archive } from '../../../archive/archive.ts';
import { segmentObject } from '../../../archive/layout.ts';
import { archivedManifest, snapshotOf } from '../../catalog/archive-content.ts';
import { archivedIn, noteArchived } from '../../catalog/archive-transitions.ts';
import type { CatalogState } from '../../catalog/catalog.ts';
import type { StoreRef } from '../../../proto/gen/stele/v1/datanode.ts';
import { clusterOf, isHeld } from '../../catalog/queries.ts';
import { versionId } from '../../catalog/records.ts';
import type {
  ManifestRecord,
  SegmentRecord,
  VersionId,
  VersionRecord,
} from '../../catalog/records.ts';
import type { ControlParts } from '../control-loop.ts';
import { cleanStore, neededByCatalog } from './clean-store.ts';
import type { Cleaned } from './clean-store.ts';
import type { DeepStore } from './deep-store.ts';
import { uploadSegments } from './segment-upload.ts';
import type { UploadOptions } from './segment-upload.ts';

const TURN_MS = 1_000;
const CLEAN_INTERVAL_MS = 6 * 3_600_000;
const RETRY_FIRST_MS = 5_000;
const RETRY_MAX_MS = 300_000;
/** A snapshot waits until all versions are archived, but not longer than this after a change. */
const SNAPSHOT_WAIT_MS = 30_000;

/** What is not in the store yet. */
export interface ArchiveReport {
  readonly ref: StoreRef;
  /** Kept versions. */
  readonly versions: number;
  readonly waiting: readonly WaitingVersion[];
  /** Name and time of the last snapshot of this master; absent if it has written none yet. */
  readonly snapshot?: { readonly name: string; readonly at: string };
  /** Why the last attempt failed; empty if it did not. */
  readonly trouble: string;
}

interface WaitingVersion {
  readonly keyspace: string;
  readonly version: number;
  readonly segments: number;
  readonly bytes: number;
  readonly reason: string;
}

interface Attempt {
  readonly failures: number;
  readonly retryAtMs: number;
  readonly reason: string;
}

interface Target {
  readonly id: VersionId;
  readonly version: VersionRecord;
  readonly manifest: ManifestRecord;
}

export class Archiving {
  readonly #parts: ControlParts;
  readonly #settings: DeepStore;
  readonly #stop: AbortSignal;
  readonly #attempts = new Map<VersionId, Attempt>();
  /** Segments that are in the store, of the version in progress. */
  #done: { readonly id: VersionId; segments: number; bytes: number } | undefined;
  #archive: Archive | undefined;
  readonly #uploads = new Set<Promise<unknown>>();
  /** The last cleaning; at first, the time in which those of an earlier master may go on. */
  #cleaning: Promise<unknown> = Promise.resolve();
  #trouble = '';
  #snapshot: ArchiveReport['snapshot'];
  /** The tables of the last snapshot: it is written again when they have changed. */
  #written: readonly unknown[] = [];
  #changedAtMs: number | undefined;

  /** Runs until `stop` aborts. */
  constructor(parts: ControlParts, settings: DeepStore, stop: AbortSignal) {
    this.#parts = parts;
    this.#settings = settings;
    this.#stop = stop;
  }

  start(): void {
    const stop = this.#stop;
    const { background, control, log } = this.#parts;
    this.#cleaning = sleep(this.#settings.deletionMsMax, stop, control.env);
    background.run('archive', async () => {
      while (!stop.aborted) {
        let hasMore = false;
        try {
          if (control.isLeading) hasMore = await this.#besideUploads(() => this.#turn());
        } catch (thrown) {
          this.#fail(toSteleError(thrown));
        }
        if (!hasMore) await sleep(TURN_MS, stop, control.env);
      }
      this.#archive?.store.close();
      log.debug('archiving has ended');
    });
    background.repeat('clean the deep store', CLEAN_INTERVAL_MS, stop, async () => {
      if (control.isLeading) await this.clean(false);
    });
  }

  report(): ArchiveReport {
    const { catalog } = this.#parts.control;
    const waiting = this.#waiting(catalog.state).map((target): WaitingVersion => {
      const { manifest, version } = target;
      const done = this.#done?.id === target.id ? this.#done : { segments: 0, bytes: 0 };
      return {
        keyspace: catalog.state.keyspace.get(version.uid)?.name ?? '',
        version: version.number,
        segments: manifest.segments.length - done.segments,
        bytes: version.segmentBytes - done.bytes,
        reason: this.#attempts.get(target.id)?.reason ?? '',
      };
    });
    const versions = [...catalog.state.version.values()].filter(isHeld).length;
    return {
      ref: this.#settings.ref,
      versions,
      waiting,
      ...(this.#snapshot && { snapshot: this.#snapshot }),
      trouble: this.#trouble,
    };
  }

  /** Archives the most urgent version. Resolves to whether there was one. */
  async #turn(): Promise<boolean> {
    const { control } = this.#parts;
    const archive = await this.#opened();
    const isDue = ({ id }: Target): boolean =>
      (this.#attempts.get(id)?.retryAtMs ?? 0) <= control.nowMs();
    const waiting = this.#waiting(control.catalog.state);
    const ids = new Set(waiting.map(({ id }) => id));
    for (const id of this.#attempts.keys()) if (!ids.has(id)) this.#attempts.delete(id);
    const next = waiting.find(isDue);
    if (next !== undefined) await this.#try(archive, next);
    await this.#snapshotIfChanged(archive);
    if (this.#attempts.size === 0) this.#trouble = '';
    return next !== undefined;
  }

  async #try(archive: Archive, target: Target): Promise<void> {
    try {
      await this.#uploadVersion(archive, target);
      this.#attempts.delete(target.id);
    } catch (thrown) {
      const error = toSteleError(thrown);
      if (error.code !== 'CANCELLED') this.#failed(target.id, error);
    } finally {
      this.#done = undefined;
    }
  }

  async #opened(): Promise<Archive> {
    if (this.#archive !== undefined) return this.#archive;
    const store = await this.#settings.open();
    try {
      const archive = new Archive(store);
      const { id, shardCount } = clusterOf(this.#parts.control.catalog.state);
      const createdAt = wallClockIso(this.#parts.control.env);
      await archive.claim({ clusterId: id, shardCount, createdAt });
      return (this.#archive = archive);
    } catch (thrown) {
      store.close();
      throw thrown;
    }
  }

  /**
   * Kept versions that are not in the store as they are now: current ones first, newer ones first.
   */
  #waiting(state: CatalogState): Target[] {
    const isCurrent = ({ number, uid }: VersionRecord): number =>
      Number(state.keyspace.get(uid)?.desired.currentVersion === number);
    return [...state.version.values()]
      .filter((version) => isHeld(version) && state.keyspace.get(version.uid)?.state === 'RUNNING')
      .sort((left, right) => isCurrent(right) - isCurrent(left) || right.number - left.number)
      .flatMap((version) => {
        const id = versionId(version.uid, version.number);
        const manifest = state.manifest.get(id);
        if (manifest === undefined || archivedIn(state, id, this.#settings.ref.url)) return [];
        return [{ id, version, manifest }];
      });
  }

  /**
   * Removes what nothing needs any more, or only counts it. Waits until the version in progress is
   * archived. Throws as `cleanStore`.
   */
  clean(isDry: boolean): Promise<Cleaned> {
    return this.#withoutUploads(() => this.#clean(isDry));
  }

  async #clean(isDry: boolean): Promise<Cleaned> {
    const { control, log } = this.#parts;
    const { deletionMsMax, graceMs, ref } = this.#settings;
    const cleaned = await cleanStore(await this.#opened(), {
      deletionMsMax,
      graceMs,
      isDry,
      env: control.env,
      needed: (uids) => neededByCatalog(control.catalog.state, ref.url, uids),
      requireLead: () => {
        if (control.isLeading) return;
        throw new SteleError('UNAVAILABLE', 'The leader was replaced; the next one goes on.');
      },
    });
    if (!isDry && cleaned.removedObjects > 0) log.info(cleaned, 'the deep store was cleaned');
    return cleaned;
  }

  /**
   * Has segments written that no version names yet. Throws as `uploadSegments`, and the errors of
   * the store. `onDone` is called now and then while it goes on.
   */
  async upload(
    uid: KeyspaceUid,
    segments: readonly SegmentRecord[],
    onDone: () => void,
  ): Promise<void> {
    await this.#besideUploads(async () => {
      const archive = await this.#opened();
      await uploadSegments(this.#parts, this.#orderOf(archive, uid, segments, onDone));
    });
  }

  #orderOf(
    { store }: Archive,
    uid: KeyspaceUid,
    segments: readonly SegmentRecord[],
    onDone: UploadOptions['onDone'],
  ): UploadOptions {
    const { bytesPerSecondMax, graceMs, ref } = this.#settings;
    const signal = this.#stop;
    return {
      uid,
      segments,
      store: ref,
      bytesPerSecondMax,
      onDone,
      signal,
      refreshAfterMs: graceMs / 2,
      isStored: async ({ fileBytes, id }) => {
        const found = await store.stat(segmentObject(uid, id), { signal });
        return found?.byteCount === fileBytes;
      },
    };
  }

  /** Uploads run beside each other, and none beside a cleaning. */
  async #besideUploads<Result>(work: () => Promise<Result>): Promise<Result> {
    for (let last: unknown; last !== this.#cleaning;) {
      last = this.#cleaning;
      await last;
    }
    const result = work();
    const ended = result.catch(() => undefined).finally(() => this.#uploads.delete(ended));
    this.#uploads.add(ended);
    return result;
  }

  #withoutUploads<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#cleaning.then(async () => {
      await Promise.all(this.#uploads);
      return work();
    });
    this.#cleaning = result.catch(() => undefined);
    return result;
  }

  async #uploadVersion(archive: Archive, { id, manifest, version }: Target): Promise<void> {
    const { control, log } = this.#parts;
    const startMs = control.nowMs();
    const done = (this.#done = { id, segments: 0, bytes: 0 });
    const onDone = ({ fileBytes }: SegmentRecord): void => {
      done.segments++;
      done.bytes += fileBytes;
    };
    const order = this.#orderOf(archive, version.uid, manifest.segments, onDone);
    await uploadSegments(this.#parts, order);
    const { shardCount } = clusterOf(control.catalog.state);
    const content = archivedManifest(version, manifest, shardCount);
    const name = await archive.putManifest(content, { signal: this.#stop });
    const record = {
      uid: version.uid,
      version: version.number,
      revision: manifest.revision ?? 0,
      store: this.#settings.ref.url,
      manifest: name,
      at: wallClockIso(control.env),
    };
    const isNoted = await control.catalog.update((state) => noteArchived(state, record));
    control.turn();
    if (!isNoted) return;
    const tookMs = Math.round(control.nowMs() - startMs);
    const about = { keyspace: version.uid, version: version.number, bytes: done.bytes, tookMs };
    log.info(about, 'a version is in the deep store');
  }

  /**
   * Writes a snapshot if what it lists has changed, once everything is archived or after a while.
   */
  async #snapshotIfChanged(archive: Archive): Promise<void> {
    const { control } = this.#parts;
    const { state } = control.catalog;
    const tables = [state.keyspace, state.version, state.archived];
    if (tables.every((table, at) => table === this.#written[at])) return;
    this.#changedAtMs ??= control.nowMs();
    const isEarly = control.nowMs() - this.#changedAtMs < SNAPSHOT_WAIT_MS;
    if (isEarly && this.#waiting(state).length > 0) return;
    const at = wallClockIso(control.env);
    const name = await archive.putSnapshot(snapshotOf(state, this.#settings.ref.url, at));
    this.#written = tables;
    this.#changedAtMs = undefined;
    this.#snapshot = { name, at };
  }

  #failed(id: VersionId, error: SteleError): void {
    const { control, log } = this.#parts;
    const failures = (this.#attempts.get(id)?.failures ?? 0) + 1;
    const pauseMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (failures - 1));
    const retryAtMs = control.nowMs() + pauseMs;
    this.#attempts.set(id, { failures, retryAtMs, reason: error.message });
    this.#trouble = error.message;
    const about = { version: id, failures, code: error.code };
    log.warn({ ...about, err: error.message }, 'a version is not in the deep store yet');
  }

  #fail(error: SteleError): void {
    if (this.#stop.aborted) return;
    if (error.message !== this.#trouble) {
      const text = `the deep store cannot be used: ${error.message}`;
      this.#parts.log.error({ code: error.code }, text);
    }
    this.#trouble = error.message;
  }
}

/** Throws CONFLICT if the cluster has no deep store. */
export function requireArchiving({
  archiving,
}: {
  readonly archiving: Archiving | undefined;
}): Archiving {
  if (archiving !== undefined) return archiving;
  throw new SteleError(
    'CONFLICT',
    'The cluster has no deep store; start its masters with --deep-store file:///path or s3://bucket/prefix.',
  );
}
