// Tracks the health of the disk: its free space, and whether it accepts writes. The sources are the
// outcomes of segment writes, the free bytes that the system reports, measured repeatedly, and a
// small probe file that is written and synced now and then, so that a failing disk is known before
// a load finds out. A node with disk trouble is sent no segments; it serves what it holds from
// memory.
//
// Some file systems (quotas, network disks) report more free bytes than they accept. If a write
// finds no space although the system reports some, that amount is subtracted from then on.
//
// Invariants: nothing here makes a heartbeat wait for the disk; at most one measurement and one
// probe are in progress; one that hangs counts as trouble.

import { join } from 'node:path';
import type { BackgroundTasks } from '../../base/background.ts';
import { systemEnv } from '../../base/env.ts';
import type { Env } from '../../base/env.ts';
import { writeFully } from '../../base/disk/durable-file.ts';
import { toSteleError } from '../../base/errors.ts';
import type { DiskTrouble } from '../../proto/gen/stele/v1/datanode.ts';

const MEASURE_EVERY_MS = 1_000;
const PROBE_EVERY_MS = 10_000;
/** Interval between probes while something is wrong. */
const PROBE_AGAIN_MS = 1_000;
const HANGS_MS = 5_000;
/** How long a refusal counts as a sign that there is no space for other segments. */
const REFUSAL_COUNTS_MS = 5_000;
/** After this time the system's numbers are believed again: a quota may have been raised. */
const OVERSTATED_FOR_MS = 600_000;
const PROBE_BYTES = Buffer.alloc(4096, 'stele');

export class DiskHealth {
  readonly #folder: string;
  readonly #keptBytes: () => number;
  readonly #background: BackgroundTasks;
  readonly #env: Env;
  #writeError = '';
  #measureError = '';
  #full = false;
  #refusedUntilMs = 0;
  #reportedFreeBytes = 0;
  #overstatedBytes = 0;
  #overstatedUntilMs = 0;
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #measuring = false;
  #probedAtMs = Number.NEGATIVE_INFINITY;
  #probing = false;

  /**
   * `folder` is the data folder; the probe is a file in its `incoming`. `keptBytes` returns the
   * bytes that must stay free (the reserve, and what is promised).
   */
  constructor(
    folder: string,
    keptBytes: () => number,
    background: BackgroundTasks,
    env = systemEnv,
  ) {
    this.#env = env;
    this.#folder = folder;
    this.#keptBytes = keptBytes;
    this.#background = background;
  }

  /** Notes that a segment was refused for lack of space. */
  refused(nowMs: number): void {
    this.#refusedUntilMs = nowMs + REFUSAL_COUNTS_MS;
  }

  /** Notes that a write was synced. */
  wrote(): void {
    this.#writeError = '';
    this.#full = false;
  }

  /**
   * Notes that a write failed; what it wrote is still there. An error of another code (CORRUPT) is
   * about the bytes and says nothing about the disk.
   */
  async failed(thrown: unknown): Promise<void> {
    const { code, message } = toSteleError(thrown, 'IO');
    if (code === 'IO') this.#writeError = message;
    if (code !== 'DISK_FULL') return;
    this.#full = true;
    try {
      this.#reportedFreeBytes = await this.#freeBelow();
      // If there is less, other failed writes may have released space since.
      if (this.#reportedFreeBytes <= this.#keptBytes()) return;
      this.#overstatedBytes = this.#reportedFreeBytes;
      this.#overstatedUntilMs = this.#env.nowMs() + OVERSTATED_FOR_MS;
    } catch (error) {
      this.#measureError = toSteleError(error, 'IO').message;
    }
  }

  /** Free bytes as of the last measurement: about a second ago, or longer if the disk hangs. */
  get freeBytes(): number {
    return Math.max(0, this.#reportedFreeBytes - this.#overstatedBytes);
  }

  /** Measures the free bytes. Throws IO. */
  async measure(): Promise<number> {
    try {
      this.#reportedFreeBytes = await this.#freeBelow();
      this.#measureError = '';
    } catch (thrown) {
      const error = toSteleError(thrown, 'IO');
      this.#measureError = error.message;
      throw error;
    }
    if (this.#env.nowMs() > this.#overstatedUntilMs) this.#overstatedBytes = 0;
    return this.freeBytes;
  }

  /**
   * The trouble as known now; undefined if nothing is wrong. Starts a new measurement or probe if
   * one is due.
   */
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
    return hangs ? 'a write has been hanging for seconds' : '';
  }

  #lookAgain(nowMs: number): void {
    if (!this.#measuring && nowMs - this.#measuredAtMs >= MEASURE_EVERY_MS) {
      this.#measuring = true;
      this.#measuredAtMs = nowMs;
      this.#background.run('measure the disk', async () => {
        // `trouble` reports the failure.
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
    const { files } = this.#env;
    const path = join(this.#folder, 'incoming', 'write-probe');
    try {
      const file = await files.open(path, 'w', 0o644);
      try {
        await writeFully(file, PROBE_BYTES);
        await file.sync();
      } finally {
        await file.close();
      }
      this.wrote();
    } catch (thrown) {
      await this.failed(thrown);
    } finally {
      await files.rm(path, { force: true }).catch(() => undefined);
      this.#probing = false;
    }
  }

  /** The free bytes that the system reports for this process. */
  async #freeBelow(): Promise<number> {
    const { bavail, bsize } = await this.#env.files.statfs(this.#folder);
    return bavail * bsize;
  }
}
