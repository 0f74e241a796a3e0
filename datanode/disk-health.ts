// Whether the disk takes writes: from what segments met when they were written, and from a small file
// that is written and synced now and then, so that a disk which fails is known before a load finds out.
// A node with disk trouble is sent no segments; what it holds it serves from memory.
//
// Invariants: nothing here waits for the disk while a heartbeat waits for it; at most one probe is under
// way; one that does not end is trouble itself.

import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackgroundTasks } from '../base/background.ts';
import { toSteleError } from '../base/errors.ts';
import type { DiskTrouble } from '../proto/gen/stele/v1/datanode.ts';

const PROBE_EVERY_MS = 10_000;
/** While something is wrong. */
const PROBE_AGAIN_MS = 1_000;
const PROBE_HANGS_MS = 5_000;
/** A refusal tells something about the room for other segments for so long. */
const REFUSAL_COUNTS_MS = 5_000;
const PROBE_BYTES = Buffer.alloc(4096, 'stele');

export class DiskHealth {
  readonly #path: string;
  readonly #background: BackgroundTasks;
  #writeError = '';
  #full = false;
  #refusedUntilMs = 0;
  #probedAtMs = Number.NEGATIVE_INFINITY;
  #probing = false;

  /** `folder` is one for temporary files. */
  constructor(folder: string, background: BackgroundTasks) {
    this.#path = join(folder, 'write-probe');
    this.#background = background;
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

  /** A write did not succeed; what is wrong with the bytes themselves says nothing about the disk. */
  failed(thrown: unknown): void {
    const { code, message } = toSteleError(thrown, 'IO');
    if (code === 'DISK_FULL') this.#full = true;
    else if (code === 'IO') this.#writeError = message;
  }

  /** As known now; undefined: nothing is wrong. Begins a probe where one is due. */
  trouble(hasRoom: boolean, nowMs: number): DiskTrouble | undefined {
    const isWrong = this.#writeError !== '' || this.#full;
    const pauseMs = isWrong ? PROBE_AGAIN_MS : PROBE_EVERY_MS;
    if (!this.#probing && nowMs - this.#probedAtMs >= pauseMs) {
      this.#probing = true;
      this.#probedAtMs = nowMs;
      this.#background.run('disk-probe', () => this.#probe());
    }
    const hangs = this.#probing && nowMs - this.#probedAtMs >= PROBE_HANGS_MS;
    const writeError = hangs ? 'a write has not ended for seconds' : this.#writeError;
    const full = !hasRoom || this.#full || nowMs < this.#refusedUntilMs;
    return full || writeError !== '' ? { full, writeError } : undefined;
  }

  async #probe(): Promise<void> {
    try {
      const file = await open(this.#path, 'w', 0o644);
      try {
        await file.write(PROBE_BYTES);
        await file.sync();
      } finally {
        await file.close();
      }
      this.wrote();
    } catch (thrown) {
      this.failed(thrown);
    } finally {
      await rm(this.#path, { force: true }).catch(() => undefined);
      this.#probing = false;
    }
  }
}
