// Verifies all held segments periodically, in memory and on disk, at a limited rate, because memory
// and disks rot. A pass checks every segment, the one with the oldest check first; passes start at
// least one interval apart.
//
//     memory   disk
//     good     good    next
//     good     bad     the file goes to quarantine and is written again from memory
//     bad      good    out of service at once, read again from the file, verified, back in service
//     bad      bad     out of service; the file goes to quarantine; the master sees the segment missing
//                      and has it copied from a replica
//
// Small pieces are checked in a worker thread, with pauses between them to keep to the rate. The
// file is read through the system's page cache: rot under a cached page is found once the page has
// left the cache.

import type { SegmentKey } from '../../base/segment-name.ts';
import { segmentKey, shardNamedBy } from '../../base/segment-name.ts';
import { sleep } from '../../base/clock.ts';
import type { Env } from '../../base/env.ts';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { HeldSegment } from '../../proto/gen/stele/v1/datanode.ts';
import type { Segment } from '../../segment/reader.ts';
import type { Holdings } from '../storage/holdings.ts';
import type { ScrubFinding } from './segment-tasks.ts';
import type { SegmentWork } from './segment-work.ts';
import type { DiskStore } from '../storage/store.ts';
import type { Verifier } from '../storage/verifier.ts';

const PIECE_BYTES = 4 * 1024 * 1024;
const IDLE_MS = 1000;

export interface ScrubLimits {
  /** Limit for memory and disk together; 0: no scrubbing. */
  readonly bytesPerSecond: number;
  /** The least time between the starts of two passes. */
  readonly intervalMs: number;
}

export interface ScrubberOptions {
  readonly holdings: Holdings;
  readonly store: DiskStore;
  readonly verifier: Verifier;
  readonly work: SegmentWork;
  readonly env: Env;
  readonly log: Logger;
}

/** Counts since the start of the process. */
export interface ScrubStats {
  /** Bytes checked, in memory and on disk. */
  readonly bytes: number;
  /** Unix time in ms at which the last complete pass ended; 0: none yet. */
  readonly lastPassUnixMs: number;
  /** Bad copies found, in memory or on disk. */
  readonly found: number;
  /** The part of `found` that was repaired from the other copy on this node. */
  readonly repaired: number;
  /** Files moved to quarantine. */
  readonly quarantined: number;
}

export class Scrubber {
  readonly #options: ScrubberOptions;
  /** When each segment was last known to be good, by `uid/id`; the oldest first. */
  readonly #checkedAtMs = new Map<
    SegmentKey,
    { readonly held: HeldSegment; readonly atMs: number }
  >();
  readonly #stats = { bytes: 0, lastPassUnixMs: 0, found: 0, repaired: 0, quarantined: 0 };

  constructor(options: ScrubberOptions) {
    this.#options = options;
    const { holdings } = options;
    holdings.onChange((held) => {
      const isHeld = holdings.has(held.keyspaceUid, held.segmentId);
      // A segment that is added has just been verified.
      if (isHeld) this.#note(held);
      else this.#checkedAtMs.delete(segmentKey(held.keyspaceUid, held.segmentId));
    });
  }

  get stats(): ScrubStats {
    return this.#stats;
  }

  /** Scrubs until `signal` aborts. Failures are logged and do not stop it. */
  async run(limits: ScrubLimits, signal: AbortSignal): Promise<void> {
    if (limits.bytesPerSecond <= 0) return;
    while (!signal.aborted) {
      const startMs = this.#options.env.nowMs();
      await this.#pass(startMs, limits.bytesPerSecond, signal);
      const waitMs = startMs + limits.intervalMs - this.#options.env.nowMs();
      await sleep(
        Math.max(waitMs, Math.min(IDLE_MS, limits.intervalMs)),
        signal,
        this.#options.env,
      );
    }
  }

  /** Checks every segment whose last check was before `startMs`. */
  async #pass(startMs: number, bytesPerSecond: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const [oldest] = this.#checkedAtMs.values();
      if (signal.aborted) return;
      if (oldest === undefined || oldest.atMs >= startMs) break;
      try {
        await this.#check(oldest.held, bytesPerSecond, signal);
      } catch (thrown) {
        const { code, message } = toSteleError(thrown, 'IO');
        if (signal.aborted) return;
        this.#options.log.error(
          { segment: oldest.held.segmentId, code, err: message },
          'a segment could not be scrubbed',
        );
        await sleep(IDLE_MS, signal, this.#options.env);
      }
      this.#note(oldest.held);
    }
    if (this.#checkedAtMs.size > 0) this.#stats.lastPassUnixMs = this.#options.env.unixMs();
  }

  /** Notes that the segment is good as of now, and moves it to the end. */
  #note(held: HeldSegment): void {
    const name = segmentKey(held.keyspaceUid, held.segmentId);
    this.#checkedAtMs.delete(name);
    if (!this.#options.holdings.has(held.keyspaceUid, held.segmentId)) return;
    this.#checkedAtMs.set(name, { held, atMs: this.#options.env.nowMs() });
  }

  async #check(held: HeldSegment, bytesPerSecond: number, signal: AbortSignal): Promise<void> {
    const { holdings, store, work } = this.#options;
    const { path } = store.fileOf(held.keyspaceUid, held.segmentId);
    const segment = holdings.get(held.keyspaceUid, held.segmentId);
    if (segment === undefined) return this.#checkOnDisk(held, path, bytesPerSecond, signal);
    const byteLength = segment.bytes.length;
    for (let from = 0; from < byteLength && !signal.aborted; from += PIECE_BYTES) {
      const startMs = this.#options.env.nowMs();
      const to = Math.min(from + PIECE_BYTES, byteLength);
      const finding = await work.scrub(segment, path, from, to);
      // It was dropped in the meantime, so the finding no longer matters.
      if (holdings.get(held.keyspaceUid, held.segmentId) !== segment) return;
      this.#stats.bytes += 2 * (to - from);
      if (finding.memory !== undefined || finding.disk !== undefined) {
        await this.#repair(held, segment, finding);
        return;
      }
      const restMs =
        (2 * (to - from) * 1000) / bytesPerSecond - (this.#options.env.nowMs() - startMs);
      if (restMs > 1) await sleep(restMs, signal, this.#options.env);
    }
  }

  /**
   * Checks a segment of which there is only a file, parked or of the disk tier; if that is bad,
   * another datanode has a good one.
   */
  async #checkOnDisk(
    held: HeldSegment,
    path: string,
    bytesPerSecond: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { env, holdings, log, work } = this.#options;
    const { keyspaceUid, segmentId } = held;
    const byteLength = holdings.byteLengthOf(keyspaceUid, segmentId) ?? 0;
    for (let from = 0; from < byteLength && !signal.aborted; from += PIECE_BYTES) {
      const startMs = env.nowMs();
      const to = Math.min(from + PIECE_BYTES, byteLength);
      const fault = await work.scrubFile(path, from, to);
      // It was dropped, or brought back into memory, in the meantime.
      const isHeld = holdings.has(keyspaceUid, segmentId);
      if (!isHeld || holdings.get(keyspaceUid, segmentId) !== undefined) return;
      this.#stats.bytes += to - from;
      if (fault !== undefined) {
        this.#stats.found++;
        log.error({ ...aboutOf(held), err: fault }, 'a bad copy was found');
        holdings.remove(keyspaceUid, segmentId);
        await this.#quarantine(held);
        return;
      }
      const restMs = ((to - from) * 1000) / bytesPerSecond - (env.nowMs() - startMs);
      if (restMs > 1) await sleep(restMs, signal, env);
    }
  }

  async #repair(held: HeldSegment, segment: Segment, finding: ScrubFinding): Promise<void> {
    this.#stats.found++;
    this.#options.log.error({ ...aboutOf(held), ...finding }, 'a bad copy was found');
    if (finding.memory === undefined) await this.#rewrite(held, segment);
    else await this.#reload(held);
  }

  /** Writes the file again from memory, which is good. Until then the node serves from memory. */
  async #rewrite(held: HeldSegment, segment: Segment): Promise<void> {
    const { holdings, log, store } = this.#options;
    const { keyspaceUid, segmentId } = held;
    await this.#quarantine(held);
    await store.write(keyspaceUid, segmentId, segment.bytes);
    // It was dropped in the meantime, with the file that was there then.
    if (holdings.get(keyspaceUid, segmentId) === undefined) {
      await store.remove(keyspaceUid, segmentId);
      return;
    }
    this.#stats.repaired++;
    log.info(aboutOf(held), 'the file of a segment was written again from memory');
  }

  /** Takes a segment with bad memory out of service and reads it again from its file. */
  async #reload(held: HeldSegment): Promise<void> {
    const { holdings, log, store } = this.#options;
    const { keyspaceUid, segmentId } = held;
    holdings.remove(keyspaceUid, segmentId);
    try {
      const { path } = store.fileOf(keyspaceUid, segmentId);
      holdings.add(keyspaceUid, segmentId, await this.#read(held, path));
      this.#stats.repaired++;
      log.info(aboutOf(held), 'a segment was read again from its file');
    } catch (thrown) {
      await this.#setAside(held);
      throw new SteleError(
        toSteleError(thrown, 'IO').code,
        `Neither memory nor disk has a good copy of segment ${segmentId} (${toSteleError(thrown).message}); it is fetched again from another datanode.`,
        { cause: thrown },
      );
    }
  }

  #read(held: HeldSegment, path: string): Promise<Segment> {
    return this.#options.verifier.verifyFile({ ...held, path });
  }

  /** Quarantines the file. If a good copy was written since the file was read, it is put back. */
  async #setAside(held: HeldSegment): Promise<void> {
    const movedTo = await this.#quarantine(held);
    if (movedTo === undefined) return;
    const good = await this.#read(held, movedTo).catch(() => undefined);
    if (good === undefined) return;
    await this.#options.store.write(held.keyspaceUid, held.segmentId, good.bytes);
    await this.#options.store.files.rm(movedTo);
    this.#stats.quarantined--;
  }

  /** Returns undefined if the file no longer exists. */
  async #quarantine({ keyspaceUid, segmentId }: HeldSegment): Promise<string | undefined> {
    const { store } = this.#options;
    try {
      const movedTo = await store.quarantine(store.fileOf(keyspaceUid, segmentId));
      this.#stats.quarantined++;
      return movedTo;
    } catch (thrown) {
      if (systemErrorCode(thrown) === 'ENOENT') return undefined;
      throw thrown;
    }
  }
}

/** What lines of the log say about a segment. */
function aboutOf({ keyspaceUid, segmentId }: HeldSegment): object {
  return { keyspace: keyspaceUid, shard: shardNamedBy(segmentId), segment: segmentId };
}
