// Checks an archive as a restore would need it: the newest snapshot, its manifests, and every byte
// of every segment. Asks no cluster.

import { Archive } from '../../archive/archive.ts';
import { segmentObject } from '../../archive/layout.ts';
import type { ArchivedKeyspace, ArchivedManifest, Snapshot } from '../../archive/archived.ts';
import { openStore } from '../../archive/open-store.ts';
import type { StoreSettings } from '../../archive/open-store.ts';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { Semaphore, forEachBounded } from '../bytes/bounded.ts';
import { Throttle, checkRate } from '../bytes/throttle.ts';
import { roundSeconds } from '../stages/progress.ts';
import { segmentPool } from '../threads/segment-pool.ts';
import type { TransferHooks } from '../transfer/open-transfer.ts';
import { SEGMENT_MEMORY_BYTES } from '../transfer/settings.ts';
import { TransferCounter } from '../transfer/transfer-progress.ts';

export interface VerifySettings extends StoreSettings {
  /** Empty: all keyspaces. */
  readonly keyspaces: readonly string[];
  /** Bytes per second; 0: no limit. */
  readonly limitRate: number;
  /** Segments at the same time. */
  readonly transfers: number;
}

/** An object that is not as it must be, or not there. */
interface DamagedObject {
  readonly name: string;
  readonly reason: string;
  /** What needs it, as `prices 41`; empty: all. */
  readonly neededBy: readonly string[];
}

export interface ArchiveReport {
  readonly url: string;
  /** The newest that can be read; empty: none can. */
  readonly snapshot: string;
  readonly keyspaces: number;
  readonly versions: number;
  readonly segments: number;
  readonly bytes: number;
  readonly damaged: readonly DamagedObject[];
  readonly seconds: number;
}

/**
 * Rejects with NOT_FOUND if there is no archive or no snapshot in it, KEYSPACE_NOT_FOUND, and if
 * the store cannot be read.
 */
export async function verifyArchive(
  url: string,
  settings: VerifySettings,
  hooks: TransferHooks,
): Promise<ArchiveReport> {
  checkRate(settings.limitRate, '--limit-rate');
  const store = await openStore(url, settings);
  const pool = segmentPool();
  const stop = new AbortController();
  const onAbort = (): void => stop.abort();
  hooks.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await new Verification(new Archive(store), pool, settings, hooks, stop).run();
  } catch (thrown) {
    if (hooks.signal?.aborted === true) throw new SteleError('CANCELLED', 'Interrupted.');
    throw thrown;
  } finally {
    hooks.signal?.removeEventListener('abort', onAbort);
    await pool.close();
    store.close();
  }
}

interface WantedSegment {
  readonly name: string;
  readonly id: string;
  readonly keyspaceUid: string;
  readonly fileBytes: number;
  readonly shardCount: number;
  readonly neededBy: string[];
}

class Verification {
  readonly #archive: Archive;
  readonly #pool: ReturnType<typeof segmentPool>;
  readonly #settings: VerifySettings;
  readonly #stop: AbortController;
  readonly #progress: TransferCounter;
  readonly #damaged: DamagedObject[] = [];

  constructor(
    archive: Archive,
    pool: ReturnType<typeof segmentPool>,
    settings: VerifySettings,
    { onProgress }: TransferHooks,
    stop: AbortController,
  ) {
    this.#archive = archive;
    this.#pool = pool;
    this.#settings = settings;
    this.#stop = stop;
    this.#progress = new TransferCounter(onProgress);
  }

  async run(): Promise<ArchiveReport> {
    this.#progress.begin('plan');
    const { url } = this.#archive.store;
    await this.#archive.requireMark({ signal: this.#stop.signal });
    const newest = await this.#newestSnapshot();
    const keyspaces = newest === undefined ? [] : this.#wanted(newest.snapshot);
    const manifests = await this.#manifestsOf(keyspaces);
    const segments = segmentsOf(manifests);
    await this.#checkSegments(segments);
    return {
      url,
      snapshot: newest?.name ?? '',
      keyspaces: keyspaces.length,
      versions: manifests.length,
      segments: segments.length,
      bytes: segments.reduce((sum, { fileBytes }) => sum + fileBytes, 0),
      damaged: this.#damaged,
      seconds: roundSeconds(this.#progress.elapsedMs),
    };
  }

  async #newestSnapshot(): Promise<{ name: string; snapshot: Snapshot } | undefined> {
    const options = { signal: this.#stop.signal };
    const listed = await this.#archive.snapshots(options);
    if (listed.length === 0) {
      const text = `${this.#archive.store.url} has no snapshot: nothing was completed in it yet.`;
      throw new SteleError('NOT_FOUND', text);
    }
    for (const { name } of listed) {
      const read = this.#archive.snapshot(name, options);
      const snapshot = await this.#unlessDamaged(name, [], read);
      if (snapshot !== undefined) return { name, snapshot };
    }
    return undefined;
  }

  #wanted({ keyspaces }: Snapshot): ArchivedKeyspace[] {
    const { keyspaces: names } = this.#settings;
    const stranger = names.find((name) => !keyspaces.some((one) => one.name === name));
    if (stranger !== undefined) {
      const text = `The newest snapshot has no keyspace '${shorten(stranger)}'.`;
      throw new SteleError('KEYSPACE_NOT_FOUND', text);
    }
    return keyspaces.filter(({ name }) => names.length === 0 || names.includes(name));
  }

  async #manifestsOf(
    keyspaces: readonly ArchivedKeyspace[],
  ): Promise<{ of: string; manifest: ArchivedManifest }[]> {
    const found: { of: string; manifest: ArchivedManifest }[] = [];
    for (const { name: keyspace, versions } of keyspaces) {
      for (const { manifest: name, number } of versions) {
        const of = `${keyspace} ${number}`;
        const read = this.#archive.manifest(name, { signal: this.#stop.signal });
        const manifest = await this.#unlessDamaged(name, [of], read);
        if (manifest !== undefined) found.push({ of, manifest });
      }
    }
    return found;
  }

  async #checkSegments(segments: readonly WantedSegment[]): Promise<void> {
    const { limitRate, transfers } = this.#settings;
    const { signal } = this.#stop;
    const throttle = new Throttle(limitRate);
    const paced = { signal, pace: (byteCount: number) => throttle.pauseMs(byteCount) };
    const memory = new Semaphore(SEGMENT_MEMORY_BYTES);
    const bytes = segments.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
    this.#progress.begin('check', segments.length, bytes);
    await forEachBounded(segments, transfers, this.#stop, async (segment) => {
      const { fileBytes, name, neededBy } = segment;
      await memory.acquire(fileBytes);
      try {
        await this.#unlessDamaged(name, neededBy, this.#checkSegment(segment, paced));
        this.#progress.done(fileBytes);
      } finally {
        memory.release(fileBytes);
      }
    });
    if (signal.aborted) throw new SteleError('CANCELLED', 'The check was stopped.');
  }

  async #checkSegment(
    { fileBytes, id, keyspaceUid, name, shardCount }: WantedSegment,
    paced: { signal: AbortSignal; pace: (byteCount: number) => number },
  ): Promise<void> {
    const { store } = this.#archive;
    const found = await store.stat(name, { signal: paced.signal });
    if (found === undefined) throw new SteleError('NOT_FOUND', 'It is missing.');
    if (found.byteCount !== fileBytes) {
      const text = `It has ${found.byteCount} bytes in place of ${fileBytes}.`;
      throw new SteleError('CORRUPT', text);
    }
    const bytes = new SharedArrayBuffer(fileBytes);
    await store.read(name, Buffer.from(bytes), 0, paced);
    await this.#pool.run({ segments: [{ bytes, id, keyspaceUid, shardCount }], rowsPath: '' });
  }

  /** Notes an object that is damaged or missing, and resolves to undefined for it. */
  async #unlessDamaged<Content>(
    name: string,
    neededBy: readonly string[],
    reading: Promise<Content>,
  ): Promise<Content | undefined> {
    try {
      return await reading;
    } catch (thrown) {
      const isDamage =
        thrown instanceof SteleError && (thrown.code === 'CORRUPT' || thrown.code === 'NOT_FOUND');
      if (!isDamage || this.#stop.signal.aborted) throw thrown;
      this.#damaged.push({ name, reason: thrown.message, neededBy });
      return undefined;
    }
  }
}

/** Each once, with all versions that need it. */
function segmentsOf(
  manifests: readonly { readonly of: string; readonly manifest: ArchivedManifest }[],
): WantedSegment[] {
  const wanted = new Map<string, WantedSegment>();
  for (const { manifest, of } of manifests) {
    const { keyspaceUid, segments, shardCount } = manifest;
    for (const { fileBytes, id } of segments) {
      const name = segmentObject(keyspaceUid, id);
      const present = wanted.get(name);
      if (present !== undefined) present.neededBy.push(of);
      else wanted.set(name, { name, id, keyspaceUid, fileBytes, shardCount, neededBy: [of] });
    }
  }
  return [...wanted.values()];
}
