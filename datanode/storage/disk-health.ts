// What is known of the disk: how much room it has, and whether it takes writes. From what segments met when
// they were written, from the free bytes that the system tells, measured again and again, and from a small
// file that is written and synced now and then, so that a disk which fails is known before a load finds out.
// A node with disk trouble is sent no segments; what it holds it serves from memory.
//
// Some file systems (quotas, network disks) tell more free bytes than they take. When a write finds no room
// while the system tells of some, that much is taken off from then on.
//
// Invariants: nothing here waits for the disk while a heartbeat waits for it; at most one measurement and one
// probe are under way; one that does not end is trouble itself.

import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackgroundTasks } from '../../base/background.ts';
import { monotonicNowMs } from '../../base/clock.ts';
import { toSteleError } from '../../base/errors.ts';
import type { DiskTrouble } from '../../proto/gen/stele/v1/datanode.ts';

const MEASURE_EVERY_MS = 1_000;
const PROBE_EVERY_MS = 10_000;
/** While something is wrong. */
const PROBE_AGAIN_MS = 1_000;
const HANGS_MS = 5_000;
/** A refusal tells something about the room for other segments for so long. */
const REFUSAL_COUNTS_MS = 5_000;
/** After that the system is believed again: a quota may have been raised. */
const OVERSTATED_FOR_MS = 600_000;
const PROBE_BYTES = Buffer.alloc(4096, 'stele');

/** The bytes that the system says are free for this process below a folder. */
type MeasureFree = (folder: string) => Promise<number>;

export class DiskHealth {
  readonly #folder: string;
  readonly #keptBytes: () => number;
  readonly #background: BackgroundTasks;
  readonly #measureFree: MeasureFree;
  #writeError = '';
  #measureError = '';
  #full = false;
  #refusedUntilMs = 0;
  #toldFreeBytes = 0;
  #overstatedBytes = 0;
  #overstatedUntilMs = 0;
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #measuring = false;
  #probedAtMs = Number.NEGATIVE_INFINITY;
  #probing = false;

  /**
   * `folder` is the data folder; the probe is a file in its `incoming`. `keptBytes`: how many bytes are
   * free at least, unless the system is wrong about that: the reserve, and what is promised.
   */
  constructor(
    folder: string,
    keptBytes: () => number,
    background: BackgroundTasks,
    measureFree: MeasureFree = freeBelow,
  ) {
    this.#folder = folder;
    this.#keptBytes = keptBytes;
    this.#background = background;
    this.#measureFree = measureFree;
  }

  /** A segment was refused for lack of room. */
  refused(nowMs: number): void {
    this.#refusedUntilMs = nowMs + REFUSAL_COUNTS_MS;
  }

  /** Something was written and synced. */
  wrote(): void {
    this.#writeError = '';
    this.#full = false;
  }

  /**
   * A write did not succeed; what it wrote is still there. What is wrong with the bytes themselves says
   * nothing about the disk.
   */
  async failed(thrown: unknown): Promise<void> {
    const { code, message } = toSteleError(thrown, 'IO');
    if (code === 'IO') this.#writeError = message;
    if (code !== 'DISK_FULL') return;
    this.#full = true;
    try {
      this.#toldFreeBytes = await this.#measureFree(this.#folder);
      // Less may be what other writes, which failed as well, have given back since.
      if (this.#toldFreeBytes <= this.#keptBytes()) return;
      this.#overstatedBytes = this.#toldFreeBytes;
      this.#overstatedUntilMs = monotonicNowMs() + OVERSTATED_FOR_MS;
    } catch (error) {
      this.#measureError = toSteleError(error, 'IO').message;
    }
  }

  /** Free bytes as measured last: about a second ago, or longer where the disk hangs. */
  get freeBytes(): number {
    return Math.max(0, this.#toldFreeBytes - this.#overstatedBytes);
  }

  /** Measures the free bytes. Throws IO. */
  async measure(): Promise<number> {
    try {
      this.#toldFreeBytes = await this.#measureFree(this.#folder);
      this.#measureError = '';
    } catch (thrown) {
      const error = toSteleError(thrown, 'IO');
      this.#measureError = error.message;
      throw error;
    }
    if (monotonicNowMs() > this.#overstatedUntilMs) this.#overstatedBytes = 0;
    return this.freeBytes;
  }

  /** As known now; undefined: nothing is wrong. Begins to look again where that is due. */
  trouble(hasRoom: boolean, nowMs: number): DiskTrouble | undefined {
    this.#lookAgain(nowMs);
    const writeError = this.#hanging(nowMs) || this.#measureError || this.#writeError;
    const full = !hasRoom || this.#full || nowMs < this.#refusedUntilMs;
    return full || writeError !== '' ? { full, writeError } : undefined;
  }

  #hanging(nowMs: number): string {
    if (this.#measuring && nowMs - this.#measuredAtMs >= HANGS_MS) {
      return 'the disk has not answered for seconds';
    }
    const hangs = this.#probing && nowMs - this.#probedAtMs >= HANGS_MS;
    return hangs ? 'a write has not ended for seconds' : '';
  }

  #lookAgain(nowMs: number): void {
    if (!this.#measuring && nowMs - this.#measuredAtMs >= MEASURE_EVERY_MS) {
      this.#measuring = true;
      this.#measuredAtMs = nowMs;
      this.#background.run('measure the disk', async () => {
        // What is wrong is told by `trouble`.
        await this.measure().catch(() => undefined);
        this.#measuring = false;
      });
    }
    const isWrong = this.#writeError !== '' || this.#full;
    const pauseMs = isWrong ? PROBE_AGAIN_MS : PROBE_EVERY_MS;
    if (this.#probing || nowMs - this.#probedAtMs < pauseMs) return;
    this.#probing = true;
    this.#probedAtMs = nowMs;
    this.#background.run('disk-probe', () => this.#probe());
  }

  async #probe(): Promise<void> {
    const path = join(this.#folder, 'incoming', 'write-probe');
    try {
      const file = await open(path, 'w', 0o644);
      try {
        await file.write(PROBE_BYTES);
        await file.sync();
      } finally {
        await file.close();
      }
      this.wrote();
    } catch (thrown) {
      await this.failed(thrown);
    } finally {
      await rm(path, { force: true }).catch(() => undefined);
      this.#probing = false;
    }
  }
}

async function freeBelow(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
