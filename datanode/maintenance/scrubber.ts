// Verifies what this node holds again and again, in memory and on disk, at a bounded rate: memory
// and disks rot. One pass checks every segment, the one whose last check is oldest first; at most one
// pass an interval.
//
//     memory   disk
//     good     good    next
//     good     bad     the file goes to quarantine and is written again from memory
//     bad      good    out of service at once, read again from the file, verified, back in service
//     bad      bad     out of service; the file goes to quarantine; the master sees the segment missing
//                      and has it copied from a replica
//
// Small pieces are checked in a worker thread, with pauses between them that keep to the rate. The
// file is read as the system gives it, which may be from its cache: rot under a cached page is found
// once the page has left the cache.

import { rm } from 'node:fs/promises';
import { monotonicNowMs, sleep } from '../../base/clock.ts';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { HeldSegment } from '../../proto/gen/stele/v1/datanode.ts';
import type { Segment } from '../../segment/reader.ts';
import type { Holdings } from '../storage/holdings.ts';
import type { ScrubFinding } from './segment-tasks.ts';
import type { SegmentWork } from './segment-work.ts';
import { readSegmentFile } from '../storage/store.ts';
import type { DiskStore } from '../storage/store.ts';
import type { Verifier } from '../storage/verifier.ts';

const PIECE_BYTES = 4 * 1024 * 1024;
const IDLE_MS = 1000;

export interface ScrubLimits {
  /** Of memory and of disk together; 0: no scrubbing. */
  readonly bytesPerSecond: number;
  /** From the beginning of one pass to the beginning of the next, at least. */
  readonly intervalMs: number;
}

export interface ScrubberOptions {
  readonly holdings: Holdings;
  readonly store: DiskStore;
  readonly verifier: Verifier;
  readonly work: SegmentWork;
  readonly log: Logger;
}

/** Since the start of the process. */
export interface ScrubStats {
  /** Of memory and of disk together. */
  readonly bytes: number;
  /** Unix time at which the last whole pass ended; 0: none yet. */
  readonly lastPassUnixMs: number;
  /** Bad copies found, in memory or on disk. */
  readonly found: number;
  /** Of these, made good here, from the other copy of this node. */
  readonly repaired: number;
  /** Files moved to quarantine. */
  readonly quarantined: number;
}

export class Scrubber {
  readonly #options: ScrubberOptions;
  /** `uid/id` -> when it was last known to be good; the oldest first. */
  readonly #checkedAtMs = new Map<string, { readonly held: HeldSegment; readonly atMs: number }>();
  readonly #stats = { bytes: 0, lastPassUnixMs: 0, found: 0, repaired: 0, quarantined: 0 };

  constructor(options: ScrubberOptions) {
    this.#options = options;
    const { holdings } = options;
    holdings.onChange((held) => {
      const isHeld = holdings.has(held.keyspaceUid, held.segmentId);
      // What is taken in has just been verified.
      if (isHeld) this.#note(held);
      else this.#checkedAtMs.delete(nameOf(held));
    });
  }

  get stats(): ScrubStats {
    return this.#stats;
  }

  /** Scrubs until `signal` aborts. Failures are logged; nothing stops it. */
  async run(limits: ScrubLimits, signal: AbortSignal): Promise<void> {
    if (limits.bytesPerSecond <= 0) return;
    while (!signal.aborted) {
      const startMs = monotonicNowMs();
      await this.#pass(startMs, limits.bytesPerSecond, signal);
      const waitMs = startMs + limits.intervalMs - monotonicNowMs();
      await sleep(Math.max(waitMs, Math.min(IDLE_MS, limits.intervalMs)), signal);
    }
  }

  /** Checks everything that was last checked before `startMs`. */
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
        await sleep(IDLE_MS, signal);
      }
      this.#note(oldest.held);
    }
    if (this.#checkedAtMs.size > 0) this.#stats.lastPassUnixMs = Date.now();
  }

  /** Good as of now; behind all others. */
  #note(held: HeldSegment): void {
    const name = nameOf(held);
    this.#checkedAtMs.delete(name);
    if (!this.#options.holdings.has(held.keyspaceUid, held.segmentId)) return;
    this.#checkedAtMs.set(name, { held, atMs: monotonicNowMs() });
  }

  async #check(held: HeldSegment, bytesPerSecond: number, signal: AbortSignal): Promise<void> {
    const { holdings, store, work } = this.#options;
    const { path } = store.fileOf(held.keyspaceUid, held.segmentId);
    const segment = holdings.get(held.keyspaceUid, held.segmentId);
    if (segment === undefined) return this.#checkParked(held, path, bytesPerSecond, signal);
    const byteLength = segment.bytes.length;
    for (let from = 0; from < byteLength && !signal.aborted; from += PIECE_BYTES) {
      const startMs = monotonicNowMs();
      const to = Math.min(from + PIECE_BYTES, byteLength);
      const finding = await work.scrub(segment, path, from, to);
      // Dropped meanwhile: there is nothing to be right or wrong any more.
      if (holdings.get(held.keyspaceUid, held.segmentId) !== segment) return;
      this.#stats.bytes += 2 * (to - from);
      if (finding.memory !== undefined || finding.disk !== undefined) {
        await this.#mend(held, segment, finding);
        return;
      }
      const restMs = (2 * (to - from) * 1000) / bytesPerSecond - (monotonicNowMs() - startMs);
      if (restMs > 1) await sleep(restMs, signal);
    }
  }

  /** Of a suspended keyspace there is the file alone: where that is bad, another datanode's is good. */
  async #checkParked(
    held: HeldSegment,
    path: string,
    bytesPerSecond: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { holdings, log, verifier } = this.#options;
    const { keyspaceUid, segmentId } = held;
    if (!holdings.has(keyspaceUid, segmentId)) return;
    const startMs = monotonicNowMs();
    try {
      const bytes = await readSegmentFile(path);
      this.#stats.bytes += bytes.length;
      await verifier.verifyChecksums(bytes, held);
      const restMs = (bytes.length * 1000) / bytesPerSecond - (monotonicNowMs() - startMs);
      if (restMs > 1) await sleep(restMs, signal);
    } catch (thrown) {
      const { code, message } = toSteleError(thrown, 'IO');
      // Dropped, or back in memory, meanwhile.
      if (!holdings.has(keyspaceUid, segmentId)) return;
      if (code !== 'CORRUPT' || holdings.get(keyspaceUid, segmentId) !== undefined) throw thrown;
      this.#stats.found++;
      log.error(
        { keyspace: keyspaceUid, segment: segmentId, err: message },
        'a bad copy was found',
      );
      holdings.remove(keyspaceUid, segmentId);
      await this.#quarantine(held);
    }
  }

  async #mend(held: HeldSegment, segment: Segment, finding: ScrubFinding): Promise<void> {
    const { keyspaceUid, segmentId } = held;
    const { log } = this.#options;
    this.#stats.found++;
    log.error({ keyspace: keyspaceUid, segment: segmentId, ...finding }, 'a bad copy was found');
    if (finding.memory === undefined) await this.#rewrite(held, segment);
    else await this.#reload(held);
  }

  /** Memory is good: the file is made again. Until then the node serves on from memory. */
  async #rewrite(held: HeldSegment, segment: Segment): Promise<void> {
    const { holdings, log, store } = this.#options;
    const { keyspaceUid, segmentId } = held;
    await this.#quarantine(held);
    await store.write(keyspaceUid, segmentId, segment.bytes);
    // Dropped meanwhile, with the file that was there then.
    if (holdings.get(keyspaceUid, segmentId) === undefined) {
      await store.remove(keyspaceUid, segmentId);
      return;
    }
    this.#stats.repaired++;
    log.info({ keyspace: keyspaceUid, segment: segmentId }, 'its file was written again');
  }

  /** Memory is bad: nobody reads it from here on. */
  async #reload(held: HeldSegment): Promise<void> {
    const { holdings, log, store } = this.#options;
    const { keyspaceUid, segmentId } = held;
    holdings.remove(keyspaceUid, segmentId);
    try {
      const { path } = store.fileOf(keyspaceUid, segmentId);
      holdings.add(keyspaceUid, segmentId, await this.#read(held, path));
      this.#stats.repaired++;
      log.info({ keyspace: keyspaceUid, segment: segmentId }, 'it was read again from its file');
    } catch (thrown) {
      await this.#setAside(held);
      throw new SteleError(
        toSteleError(thrown, 'IO').code,
        `Neither memory nor disk has a good copy of segment ${segmentId} (${toSteleError(thrown).message}); it is fetched again from another datanode.`,
        { cause: thrown },
      );
    }
  }

  async #read(held: HeldSegment, path: string): Promise<Segment> {
    return this.#options.verifier.verify(await readSegmentFile(path), held);
  }

  /** A copy may have come from elsewhere since the file was read: what is good goes back. */
  async #setAside(held: HeldSegment): Promise<void> {
    const movedTo = await this.#quarantine(held);
    if (movedTo === undefined) return;
    const good = await this.#read(held, movedTo).catch(() => undefined);
    if (good === undefined) return;
    await this.#options.store.write(held.keyspaceUid, held.segmentId, good.bytes);
    await rm(movedTo);
    this.#stats.quarantined--;
  }

  /** Undefined where there was no file any more. */
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

function nameOf({ keyspaceUid, segmentId }: HeldSegment): string {
  return `${keyspaceUid}/${segmentId}`;
}
